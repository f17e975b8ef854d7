// A treemap to explore by mouse, touch or keyboard. The layout was computed when the page was made.
"use strict";

const NARROW = matchMedia("(max-width: 42rem)");
const SHAPES = { wide: [1000, 420], narrow: [360, 480] }, STARTS = { wide: 0, narrow: 5 }, INNER = 10;
const STEP = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function make(tag, attributes, ...content) {
  const isDrawn = ["svg", "g", "rect", "text", "title"].includes(tag);
  const made = isDrawn ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...content.flat().filter((part) => part !== "" && part != null));
  return made;
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  let value = count;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 99.5) return `${value.toFixed(1)} ${unit}`;
    if (value < 999.5) return `${value.toFixed(0)} ${unit}`;
  }
  return `${Math.round(value).toLocaleString("en")} TB`;
}

const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

function percent(part, whole) {
  const share = whole ? (100 * part) / whole : 0;
  return share >= 10 ? `${share.toFixed(0)} %` : `${share.toFixed(1)} %`;
}

// Shows `root` in `host`. `classOf` gives the CSS class of a layer, `about` what else to show about a part.
class Picture {
  constructor(host, root, classOf, about) {
    const isOne = root.parts.length === 1 && root.parts[0].parts?.length > 0;
    Object.assign(this, { root, classOf, about, at: 0 });
    this.bare = isOne ? 2 : 1;
    this.path = isOne ? [root, root.parts[0]] : [root];
    this.crumbs = make("nav", { class: "crumbs", "aria-label": "Where in the image" });
    this.frame = make("div", {});
    this.note = make("div", { class: "about" });
    host.append(this.crumbs, this.frame, this.note);
    this.frame.addEventListener("keydown", (event) => this.key(event));
    NARROW.addEventListener("change", () => this.draw());
    this.draw();
  }

  get here() { return this.path[this.path.length - 1]; }

  // The number of the layer that contains the part at this position.
  layer(position) {
    return this.path.length > 1 ? this.root.parts.indexOf(this.path[1]) : position;
  }

  // The colour of a part: its layer's; if there is only one layer, that of the top-level part it is in.
  colour(position) {
    const { path, bare } = this;
    return (path.length > bare ? path[bare - 1].parts.indexOf(path[bare]) : position) % 6;
  }

  draw() {
    const shape = NARROW.matches ? "narrow" : "wide", [width, height] = SHAPES[shape];
    const parts = this.here.parts ?? [];
    this.tiles = parts.map((part, i) => this.tile(part, i, shape));
    this.frame.replaceChildren(make("svg", {
      class: "picture", viewBox: `0 0 ${width} ${height}`, role: "group",
      "aria-label": `What is in ${this.here.name}, by size`,
    }, this.tiles));
    this.crumbs.replaceChildren(...this.path.flatMap((node, depth) => [
      depth ? make("span", { "aria-hidden": "true" }, "›") : "",
      depth === this.path.length - 1
        ? make("span", { "aria-current": "true" }, node.name)
        : make("button", { type: "button", click: () => this.up(depth) }, node.name),
    ]).filter(Boolean));
    this.look(this.here, true);
  }

  tile(part, position, shape) {
    const [x, y, width, height, letters] = place(part, shape);
    const opens = part.parts?.length > 0;
    const tile = make("g", {
      class: `tile c${this.colour(position)} ${this.classOf(this.layer(position))} ${opens ? "opens" : ""}`,
      role: "button", tabindex: position === this.at ? 0 : -1,
      "aria-label": `${this.words(part)}${opens ? "" : ", nothing inside to show"}`,
      click: () => { this.at = position; this.open(part); },
      mouseenter: () => this.look(part), focus: () => this.look(part),
    },
    make("title", {}, this.words(part)),
    box(opens ? "layer" : "package", [x, y, width, height], 3),
    (part.parts ?? []).map((inner, i) => this.inner(inner, place(inner, shape, INNER), i)),
    label(part.name, [x, y], letters, opens ? "head" : ""));
    return tile;
  }

  inner(part, [x, y, width, height, letters], position) {
    if (!width) return "";
    const own = this.path.length >= this.bare ? "" : `c${position % 6}`;
    return make("g", { class: own }, box("package", [x, y, width, height], 2), label(part.name, [x, y], letters, ""));
  }

  words(part) {
    const files = part.files && part.kind !== "file" ? `, ${plural(part.files, "file")}` : "";
    return `${part.name}: ${bytes(part.size)}${files}`;
  }

  look(part, isWhole = false) {
    const share = isWhole ? "" : ` · ${percent(part.size, this.here.parts.reduce((sum, one) => sum + one.size, 0))} of ${this.here.name}`;
    this.note.replaceChildren(make("p", {}, make("strong", {}, part.name), ` ${this.words(part).slice(part.name.length + 1)}${share}`), ...this.about(part.package ? part : this.path.findLast((one) => one.package) ?? part));
  }

  open(part) {
    if (!part.parts?.length) { this.tiles[this.at].focus(); this.look(part); return; }
    this.path.push(part);
    this.show(0);
  }

  up(depth = this.path.length - 2) {
    if (depth < 0) return;
    const from = this.path[depth + 1];
    this.path.length = depth + 1;
    this.show(this.here.parts.indexOf(from));
  }

  show(position) {
    this.at = position;
    this.draw();
    this.tiles[position]?.focus();
  }

  // Goes to the layer with this number.
  enter(number) {
    this.path = [this.root];
    this.at = number;
    this.draw();
    this.open(this.root.parts[number]);
  }

  key(event) {
    const { key } = event;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (key in STEP) this.move(this.nearest(STEP[key]));
    else if (key === "Home") this.move(0);
    else if (key === "End") this.move(this.tiles.length - 1);
    else if (key === "Enter" || key === " ") this.open(this.here.parts[this.at]);
    else if (key === "Escape" || key === "Backspace") this.up();
    else return;
    event.preventDefault();
  }

  move(position) {
    this.tiles[this.at].setAttribute("tabindex", -1);
    this.at = position;
    this.tiles[position].setAttribute("tabindex", 0);
    this.tiles[position].focus();
  }

  // The nearest tile in a direction; the current one if there is none.
  nearest([right, down]) {
    const shape = NARROW.matches ? "narrow" : "wide";
    const middle = (part) => { const [x, y, width, height] = place(part, shape); return [x + width / 2, y + height / 2]; };
    const [fromX, fromY] = middle(this.here.parts[this.at]);
    let best = this.at, least = Infinity;
    this.here.parts.forEach((part, i) => {
      const [x, y] = middle(part), along = (x - fromX) * right + (y - fromY) * down;
      const aside = Math.abs((x - fromX) * down) + Math.abs((y - fromY) * right);
      if (i !== this.at && along > 1 && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
    });
    return best;
  }
}

// Where a part is drawn on this kind of screen.
function place(part, shape, start = 0) {
  const from = start + STARTS[shape];
  return part.at.slice(from, from + 5);
}

function box(kind, [x, y, width, height], round) {
  return make("rect", { class: kind, x: x / 10, y: y / 10, width: width / 10, height: height / 10, rx: round });
}

function label(name, [x, y], letters, kind) {
  if (!letters) return "";
  const short = [...name].length <= letters ? name : name.slice(name.lastIndexOf("/", name.length - 2) + 1), signs = [...short];
  const text = signs.length <= letters ? short : `${signs.slice(0, letters - 1).join("")}…`;
  return make("text", { class: kind, x: x / 10 + 5, y: y / 10 + 13 }, text);
}
