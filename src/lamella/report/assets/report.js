// Shows the facts. Names come from anywhere, so everything is put into the page as text.
const FEW = 100;
const facts = JSON.parse(document.getElementById("facts").textContent);
const main = document.getElementById("main");
const layers = facts.layers ?? [], packages = facts.packages ?? [];
const change = facts.change;

function section(id, title, ...content) {
  document.getElementById("parts").append(make("a", { href: `#${id}` }, title));
  const made = make("section", { "aria-labelledby": id }, make("h2", { id }, title), ...content);
  main.append(made);
  return made;
}

const quiet = (...text) => make("p", { class: "note" }, ...text);
const number = (text) => make("td", { class: "number" }, text);
const swatch = (i) => make("span", { class: `swatch c${i % 6} ${kept(i)}`, "aria-hidden": "true" });
const kept = (i) => (change && layers[i].fetched === false ? "kept" : "");

function figures(...told) {
  return make("dl", { class: "numbers" }, told.filter(Boolean).map(([what, much, more]) =>
    make("div", {}, make("dt", {}, what, more ? make("small", {}, more) : ""), make("dd", {}, much))));
}

function summary() {
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  const unmade = layers.filter((layer) => !layer.made).length;
  const idle = (facts.hidden?.size ?? 0) + (facts.twins?.size ?? 0);
  main.append(
    make("h1", { class: "name" }, facts.name),
    quiet([facts.platform, facts.created && !facts.created.startsWith("1970") && `created ${facts.created}`].filter(Boolean).join(" · ")),
    figures(
      change && ["to download if you have", bytes(change.fetched), change.before],
      [unmade ? `in ${plural(layers.length, "layer")}, ${unmade} not made yet` : `to download, in ${plural(layers.length, "layer")}`, bytes(size)],
      (facts.packages?.length || facts.more_packages) && ["packages", (packages.length + facts.more_packages).toLocaleString("en")],
      facts.looked_at && [`unpacked, in ${plural(facts.files ?? 0, "file")}`, bytes(facts.unpacked ?? 0)],
      facts.looked_at && ["wasted", bytes(idle)],
    ),
  );
}

// The chain of packages that brought this one in, starting at the root and ending with the package itself.
function chain(position) {
  const found = [position];
  while (packages[found[0]].by !== undefined && packages[found[0]].by >= 0) found.unshift(packages[found[0]].by);
  return found;
}

function why(position) {
  const steps = chain(position);
  if (steps.length === 1) return [make("p", { class: "why" }, "Nothing else in the image refers to it: it was requested, or stands on its own.")];
  return [make("p", { class: "why" }, "Included because of ", steps.map((one, i) => [
    i ? make("span", { class: "arrow", "aria-label": "needs" }, " → ") : "",
    i < steps.length - 1 ? link(one) : make("strong", {}, packages[one].name),
  ]).flat())];
}

const link = (position) => make("button", { type: "button", class: "link", click: () => table.go(position) }, packages[position].name);

function picture() {
  const root = facts.picture;
  root.name = facts.name;
  if (!root.parts?.length) return null;
  const made = section("picture", "Picture");
  const shown = new Picture(made, root, kept, (part) => (part.package ? why(part.package - 1) : []));
  made.append(quiet(
    "Layers are drawn by download size, and what is in them by unpacked size. Click, or press Enter, to look inside; press Escape to go back.",
    change ? ` Pale layers are in ${change.before} too; if you have it, you do not download them again.` : ""));
  return shown;
}

function changes() {
  if (!change) return;
  const total = layers.reduce((sum, layer) => sum + layer.size, 0);
  const bar = make("div", { class: "bar", role: "img", "aria-label": `${percent(change.fetched, total)} of the bytes are new` },
    layers.map((layer, i) => {
      const piece = make("span", { class: `c${i % 6} ${kept(i)}`, title: `${layer.name}: ${bytes(layer.size)}` });
      piece.style.flexGrow = Math.max(layer.size, total / 300);
      return piece;
    }));
  const made = section("change", "What changed",
    make("p", {}, "If you have ", make("strong", {}, change.before), `, you download ${bytes(change.fetched)} of ${bytes(total)}: ${plural(change.kept, "layer")} kept, ${layers.length - change.kept} new. If you have neither image, you download all of it.`),
    bar);
  for (const [state, words] of [["added", "new"], ["changed", "changed"], ["moved", "unchanged, but downloaded again with their layer"]]) {
    const found = packages.map((one, i) => [one, i]).filter(([one]) => one.state === state);
    if (found.length) made.append(folded(`${plural(found.length, "package")} ${words}`, found.length <= 12, names(found.map(([, i]) => link(i)))));
  }
  if (change.removed.length) made.append(folded(`${plural(change.removed.length, "package")} removed`, false, names(change.removed)));
  for (const [state, words] of [["added", "new"], ["changed", "changed"], ["removed", "removed"]]) {
    const found = change.files?.[state];
    if (found?.count) made.append(folded(`${plural(found.count, "file")} ${words}, ${bytes(found.size)}`, false, files(found)));
  }
}

const names = (found) => make("p", { class: "names" }, found.slice(0, 500).flatMap((one, i) => (i ? [", ", one] : [one])), found.length > 500 ? " …" : "");
const folded = (title, isOpen, ...content) => make("details", { open: isOpen ? "" : false }, make("summary", {}, title), ...content);

function files(waste) {
  const rows = waste.largest.map((one) => make("tr", {},
    make("th", { scope: "row" }, (one.places ?? []).map((place) => make("div", {}, place)),
      (one.times ?? 1) > (one.places ?? []).length ? make("div", { class: "note" }, `and ${(one.times - one.places.length).toLocaleString("en")} more`) : ""),
    make("td", { class: "note" }, one.layer >= 0 ? [swatch(one.layer), make("span", { class: "named" }, ` ${layers[one.layer].name}`)] : "", one.about && one.layer >= 0 ? `, ${one.about}` : ""),
    number(bytes(one.size))));
  const more = waste.count - waste.largest.reduce((sum, one) => sum + Math.max(1, (one.times ?? 1) - 1), 0);
  return make("div", {}, make("table", { class: "files" }, make("tbody", {}, rows)), more > 0 ? quiet(`and ${plural(more, "smaller one")}`) : "");
}

function layerList(shown) {
  if (!layers.length) return;
  section("layers", "Layers", make("ol", { class: "layers" }, layers.map((layer, i) => make("li", {}, make("div", { class: "bare" },
    swatch(i),
    make("span", { class: "what" },
      shown ? make("button", { type: "button", class: "link plain", click: () => { shown.enter(i); document.getElementById("picture").scrollIntoView(); } }, layer.name) : layer.name,
      change ? make("span", { class: "reason" }, make("span", { class: `badge ${layer.fetched === false ? "stays" : "new"}` }, layer.fetched === false ? "kept" : "new"), ` ${layer.why ?? ""}`) : ""),
    make("span", { class: "note" }, layer.packages ? plural(layer.packages, "package") : ""),
    make("code", { class: "digest", title: layer.digest || "not made yet" }, layer.digest ? layer.digest.split(":")[1].slice(0, 12) : "not made"),
    make("span", { class: "number", title: `${bytes(layer.unpacked)} unpacked` }, bytes(layer.size)))))));
}

// The packages, to search and sort; each row opens to show why the package is there.
class Table {
  constructor() {
    Object.assign(this, { by: "size", isDown: true, all: false, open: -1, at: 0 });
    this.search = make("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false", input: () => this.draw(),
      keydown: (event) => this.typed(event) });
    this.body = make("tbody", { keydown: (event) => this.key(event) });
    this.heads = ["name", "layer", "size"].map((by) => make("th", { scope: "col", class: by === "size" ? "number" : "" },
      make("button", { type: "button", class: "link plain", click: () => this.sort(by) }, { name: "Package", layer: "Layer", size: "Unpacked" }[by])));
    this.said = make("p", { class: "note", role: "status" });
    this.users = packages.map(() => []);
    packages.forEach((one, i) => (one.needs ?? []).forEach((to) => this.users[to].push(i)));
    if (!packages.length) return;
    section("packages", "Packages",
      make("div", { class: "search" }, make("label", { for: "search" }, "Search ", make("kbd", {}, "/")), this.search), this.said,
      make("table", { class: "packages" }, make("thead", {}, make("tr", {}, this.heads)), this.body),
      facts.more_packages ? quiet(`and ${facts.more_packages.toLocaleString("en")} smaller ones`) : "");
    this.draw();
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.search.focus();
      this.search.scrollIntoView({ block: "center" });
    });
  }

  found() {
    const wanted = this.search.value.trim().toLowerCase();
    const worth = { name: (one) => one.name.toLowerCase(), layer: (one) => one.layer, size: (one) => one.size }[this.by];
    return packages.map((_, i) => i).filter((i) => packages[i].id.toLowerCase().includes(wanted)).sort((a, b) => {
      const [one, other] = [worth(packages[a]), worth(packages[b])];
      return (one < other ? -1 : one > other ? 1 : 0) * (this.isDown ? -1 : 1) || a - b;
    });
  }

  sort(by) {
    this.isDown = this.by === by ? !this.isDown : by === "size";
    this.by = by;
    this.draw();
  }

  draw() {
    const found = this.found(), shown = this.all ? found : found.slice(0, FEW);
    this.at = Math.min(this.at, Math.max(0, shown.length - 1));
    this.shown = shown;
    this.body.replaceChildren(...shown.flatMap((position, row) => this.row(position, row)));
    if (shown.length < found.length) {
      this.body.append(make("tr", {}, make("td", { colspan: 3 }, make("button", { type: "button", class: "more",
        click: () => { this.all = true; this.draw(); this.move(FEW); } }, `show all ${found.length.toLocaleString("en")}`))));
    }
    this.said.textContent = this.search.value ? `${plural(found.length, "package")} found` : "";
    this.heads.forEach((head, i) => {
      const isIt = ["name", "layer", "size"][i] === this.by;
      if (isIt) head.setAttribute("aria-sort", this.isDown ? "descending" : "ascending"); else head.removeAttribute("aria-sort");
    });
  }

  row(position, row) {
    const one = packages[position], isOpen = position === this.open;
    const made = make("tr", { class: "package", tabindex: row === this.at ? 0 : -1, "data-package": position, "aria-expanded": String(isOpen),
      click: () => { this.at = row; this.toggle(position); } },
    make("th", { scope: "row" }, one.name, one.state ? make("span", { class: `badge ${one.state}` }, { added: "new", changed: "changed", moved: "re-download" }[one.state]) : "",
      one.id === one.name ? "" : make("span", { class: "id" }, one.id)),
    make("td", { class: "where" }, swatch(one.layer), ` ${layers[one.layer].name}`), number(bytes(one.size)));
    return isOpen ? [made, make("tr", { class: "more-of" }, make("td", { colspan: 3 }, this.details(position)))] : [made];
  }

  details(position) {
    const told = [["Needs", packages[position].needs ?? []], ["Needed by", this.users[position]]];
    return [...why(position), ...told.filter(([, list]) => list.length).map(([what, list]) =>
      make("p", { class: "names" }, make("span", { class: "note" }, `${what} `), list.slice(0, 40).flatMap((one, i) => [i ? ", " : "", link(one)]), list.length > 40 ? ` and ${list.length - 40} more` : ""))];
  }

  toggle(position) {
    this.open = this.open === position ? -1 : position;
    this.draw();
    this.move(this.at);
  }

  // Opens a package wherever it is in the list.
  go(position) {
    this.search.value = "";
    this.all ||= this.found().indexOf(position) >= FEW;
    this.at = this.found().indexOf(position);
    this.open = position;
    this.draw();
    this.move(this.at);
  }

  move(row) {
    const rows = this.body.querySelectorAll("tr.package");
    rows[this.at]?.setAttribute("tabindex", -1);
    this.at = Math.max(0, Math.min(row, rows.length - 1));
    rows[this.at]?.setAttribute("tabindex", 0);
    rows[this.at]?.focus();
  }

  key(event) {
    if (event.target.tagName !== "TR") { if (event.key === "Escape") this.move(this.at); return; }
    const steps = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, Home: 0, End: Infinity, PageDown: this.at + 10, PageUp: this.at - 10 };
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.toggle(this.shown[this.at]);
    else if (event.key === "Escape") { if (this.open >= 0) this.toggle(this.open); else this.search.focus(); }
    else return;
    event.preventDefault();
  }

  typed(event) {
    if (event.key === "Escape") { this.search.value = ""; this.draw(); this.search.blur(); }
    else if (event.key === "ArrowDown" || event.key === "Enter") this.move(0);
    else return;
    event.preventDefault();
  }
}

function waste() {
  const unknown = layers.length - (facts.looked_at ?? 0);
  if (!facts.looked_at) { section("waste", "Files", quiet("The files of this image were not read.")); return; }
  const made = section("waste", "Waste");
  if (unknown) made.append(quiet(`The files of ${plural(unknown, "layer")} are not known here; this covers the rest.`));
  const kinds = [
    [facts.hidden, "Hidden", "files that a later layer removes or replaces; they are downloaded, but never seen"],
    [facts.twins, "Duplicates", "files with the same content as another file"],
  ];
  for (const [found, title, words] of kinds) {
    if (found?.count) made.append(folded(`${title}: ${bytes(found.size)} in ${plural(found.count, "file")}`, false, quiet(words), files(found)));
    else made.append(quiet(`${title}: none.`));
  }
  if (facts.leftovers?.length) {
    made.append(make("h3", {}, "Often left behind, rarely needed"), make("table", { class: "files" }, make("tbody", {}, facts.leftovers.map((one) =>
      make("tr", {}, make("th", { scope: "row" }, one.about), number(plural(one.times ?? 1, "file")), number(bytes(one.size)))))));
  }
}

function sbom() {
  const packed = Uint8Array.from(atob(document.getElementById("sbom").textContent), (sign) => sign.charCodeAt(0));
  const save = async () => {
    const plain = new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")));
    const address = URL.createObjectURL(new Blob([await plain.arrayBuffer()], { type: "application/spdx+json" }));
    const link = make("a", { href: address, download: "sbom.spdx.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };
  section("contents", "SBOM", make("p", {}, "What the image is made of, in a form for programs: ",
    make("button", { type: "button", class: "save", click: save }, "save as SPDX"), ". lamella sbom writes the same."));
}

summary();
const shown = picture();
changes();
layerList(shown);
const table = new Table();
waste();
sbom();
