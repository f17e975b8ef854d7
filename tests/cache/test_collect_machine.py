"""Everything that registries do, in any order and at any time, with collections in between."""

from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from tests.buckets import Memory
from tests.cache.actors import Clock
from tests.cache.complete import dangling
from tests.cache.pushed import blob, image, index

from lamella.cache.collect import collect
from lamella.cache.parts import parts_of
from lamella.cache.policies import DAY, Rules
from lamella.cache.publishing import Pulls, mount, pin, publish, unpin, used
from lamella.cache.repositories import Repository, blob_name
from lamella.oci.digest import Digest, sha256

RULES = Rules(untagged_days=3)
NAMES = st.sampled_from(["app", "app/sub", "other"])
TAGS = st.sampled_from(["latest", "v1"])
TEXTS = st.sampled_from([b"a", b"b", b"c", b"d"])


class Registry(RuleBasedStateMachine):
    """What must remain in the end is found by walking from tags and pins."""

    images = Bundle("images")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.bucket = Memory(self.clock)
        self.pulls = Pulls(self.bucket)
        self.pins: set[tuple[str, Digest]] = set()

    def repository(self, name: str) -> Repository:
        return Repository(self.bucket, name)

    @rule(target=images, name=NAMES, texts=st.lists(TEXTS, min_size=1, max_size=3), tags=st.sets(TAGS))
    def push(self, name: str, texts: list[bytes], tags: set[str]) -> tuple[str, Digest]:
        repository = self.repository(name)
        manifest = image(*(blob(repository, text) for text in texts))
        publish(repository, manifest, *tags)
        return name, manifest.digest

    @rule(target=images, of=images, tags=st.sets(TAGS))
    def push_index(self, of: tuple[str, Digest], tags: set[str]) -> tuple[str, Digest]:
        name, digest = of
        manifest = index(digest)
        if self.repository(name).has_manifest(digest):
            publish(self.repository(name), manifest, *tags)
        return name, manifest.digest

    @rule(target=images, of=images)
    def sign(self, of: tuple[str, Digest]) -> tuple[str, Digest]:
        name, digest = of
        manifest = image(blob(self.repository(name), b"signature"), subject=digest)
        publish(self.repository(name), manifest)
        return name, manifest.digest

    @rule(of=images, tag=TAGS)
    def tag(self, of: tuple[str, Digest], tag: str) -> None:
        name, digest = of
        manifest = self.repository(name).manifest(digest)
        if manifest:
            publish(self.repository(name), manifest, tag)

    @rule(name=NAMES, tag=TAGS)
    def untag(self, name: str, tag: str) -> None:
        self.repository(name).delete_tag(tag)

    @rule(name=NAMES, text=TEXTS)
    def push_on_what_is_there(self, name: str, text: bytes) -> None:
        if used(self.bucket, blob_name(sha256(text)), self.clock.now):
            assert mount(self.repository(name), sha256(text))
            collect(self.bucket, RULES, now=self.clock.now)
            publish(self.repository(name), image(sha256(text)), "v1")

    @rule(of=images)
    def pull(self, of: tuple[str, Digest]) -> None:
        assert self.pulls.pulled(*of, self.clock.now)

    @rule(of=images)
    def pin(self, of: tuple[str, Digest]) -> None:
        if pin(self.bucket, *of):
            self.pins.add(of)

    @rule(of=images)
    def unpin(self, of: tuple[str, Digest]) -> None:
        unpin(self.bucket, *of)
        self.pins.discard(of)

    @rule(hours=st.sampled_from([1, 12, 25, 80]))
    def wait(self, hours: int) -> None:
        self.clock.now += hours * 3600

    @rule()
    def collect(self) -> None:
        collect(self.bucket, RULES, now=self.clock.now)

    @invariant()
    def nothing_leads_to_what_is_missing(self) -> None:
        assert not dangling(self.bucket)
        for name, digest in self.pins:
            assert self.repository(name).manifest(digest)

    def teardown(self) -> None:
        needed = set(self.needed())
        self.clock.now += 4 * DAY
        collect(self.bucket, RULES, now=self.clock.now)
        collect(self.bucket, RULES, now=self.clock.now)
        left = {item.name for item in self.bucket.list() if not item.name.startswith(("gc/", "pins/"))}
        pulls = {name for name in left if name.startswith("pulls/")}
        assert left - pulls == needed
        for name in pulls:
            repository, _, digest = name.removeprefix("pulls/").rpartition("/_")
            assert f"repositories/{repository}/_manifests/{digest}" in needed

    def needed(self) -> Iterator[str]:
        """What tags and pins lead to."""
        for name in ("app", "app/sub", "other"):
            repository = self.repository(name)
            tags = list(repository.tags())
            yield from (repository.at("_tags", tag) for tag in tags)
            todo = [digest for tag in tags if (digest := repository.tagged(tag))]
            todo += [digest for pinned, digest in self.pins if pinned == name]
            seen: set[Digest] = set()
            while todo:
                digest = todo.pop()
                manifest = repository.manifest(digest)
                if digest in seen or manifest is None:
                    continue
                seen.add(digest)
                parts = parts_of(manifest.data)
                yield repository.at("_manifests", digest)
                for each in parts.blobs:
                    yield from (repository.at("_blobs", each), blob_name(each))
                referrers = [one.digest for one in repository.referrers(digest)]
                yield from (f"{repository.at('_referrers', digest)}/{one.replace(':', '-')}" for one in referrers)
                todo += [*parts.manifests, *referrers]
                if parts.subject:  # also if that is gone: whoever asks what refers to it is told
                    yield f"{repository.at('_referrers', parts.subject)}/{digest.replace(':', '-')}"
                    todo.append(parts.subject)


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=200, stateful_step_count=25)
