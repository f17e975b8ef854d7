"""Rules work as in nix2container, with Go's regular expressions and replacements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layers.go import Program, text

from lamella.layers import rules
from lamella.layers.names import clean
from lamella.layers.rules import RuleError
from lamella.layers.tree import merge
from lamella.package import NO_RULES, Entry, Kind, Owner, Permission, Rewrite, Rules

TREE = [
    Entry(b"/s/p", Kind.DIRECTORY, 0o755),
    Entry(b"/s/p/bin", Kind.DIRECTORY, 0o755),
    Entry(b"/s/p/bin/tool", Kind.FILE, 0o755, 3),
    Entry(b"/s/p/etc", Kind.DIRECTORY, 0o755),
    Entry(b"/s/p/etc/conf", Kind.FILE, 0o644, 3),
]


def applied(**what: object) -> list[Entry]:
    return list(rules.apply(Rules(**what), iter(TREE)))  # type: ignore[arg-type] # each test gives the right ones


def paths(**what: object) -> list[bytes]:
    return [entry.path for entry in applied(**what)]


def test_no_rules_leave_the_stream_itself() -> None:
    stream = iter(TREE)
    assert rules.apply(NO_RULES, stream) is stream


def test_a_permission_sets_what_is_given() -> None:
    found = applied(permissions=(Permission("etc/", uid=5, gname="wheel"),))
    assert found[4] == TREE[4]._replace(owner=Owner(5, 0, "root", "wheel"))
    assert found[:4] == TREE[:4]


def test_a_permission_that_sets_only_a_mode_keeps_the_owner() -> None:
    owned = TREE[4]._replace(owner=Owner(42, 7, "_apt", "apt"))
    kept, given = [
        next(rules.apply(Rules(permissions=(Permission("conf", 0o600, uid=uid, gid=uid),)), iter([owned])))
        for uid in (None, 0)
    ]
    assert kept == owned._replace(mode=0o600)
    assert given == owned._replace(mode=0o600, owner=Owner(0, 0, "_apt", "apt"))


def test_permissions_apply_in_order_and_bits_are_added_last() -> None:
    found = applied(permissions=(Permission("conf", 0o600, uid=7), Permission("tool|conf", or_mode=0o111)))
    assert [(entry.mode, entry.owner.uid) for entry in found] == [
        (0o755, 0),
        (0o755, 0),
        (0o755, 0),
        (0o755, 0),
        (0o711, 7),
    ]


def test_permissions_see_the_path_before_rewrites() -> None:
    found = applied(permissions=(Permission("^/s/p/etc/", 0o600),), rewrites=(Rewrite("^/s/p", ""),))
    assert found[-1][:3] == (b"/etc/conf", Kind.FILE, 0o600)


def test_modes_above_all_bits_are_refused() -> None:
    with pytest.raises(RuleError, match=r"'x'.*10644"):
        applied(permissions=(Permission("x", 0o10644),))


def test_a_rewrite_to_nothing_drops_the_entry_alone() -> None:
    assert paths(rewrites=(Rewrite("^/s/p", ""),)) == [b"/bin", b"/bin/tool", b"/etc", b"/etc/conf"]
    assert paths(rewrites=(Rewrite("^.*/bin$", ""),)) == [b"/s/p", b"/s/p/bin/tool", b"/s/p/etc", b"/s/p/etc/conf"]


def test_rewrites_follow_each_other_and_the_result_is_in_order() -> None:
    moved = paths(rewrites=(Rewrite("^/s/p/bin", "/z//"), Rewrite("^/z", "/y/../z/.")))
    assert moved == [b"/s/p", b"/s/p/etc", b"/s/p/etc/conf", b"/z", b"/z/tool"]


def test_rewritten_entries_merge_though_two_meet_at_one_place() -> None:
    found = merge([rules.apply(Rules(rewrites=(Rewrite("^/s/p/(bin|etc)", "/x"),)), iter(TREE))])
    assert [entry.path for entry in found] == [b"/", b"/s", b"/s/p", b"/x", b"/x/conf", b"/x/tool"]


def test_nothing_climbs_above_the_root() -> None:
    assert paths(rewrites=(Rewrite("^/s/p/bin/tool$", "/../../etc/passwd"), Rewrite("^/s.*", "")))[0] == b"/etc/passwd"


def test_an_ignored_folder_takes_along_what_it_holds() -> None:
    assert paths(ignore="/bin$") == [b"/s/p", b"/s/p/etc", b"/s/p/etc/conf"]
    assert paths(ignore="conf$") == [b"/s/p", b"/s/p/bin", b"/s/p/bin/tool", b"/s/p/etc"]
    assert paths(ignore="^/s/p$") == []


def test_ignore_sees_the_path_after_rewrites() -> None:
    assert paths(rewrites=(Rewrite("bin", "b"),), ignore="bin") == [
        b"/s/p",
        b"/s/p/b",
        b"/s/p/b/tool",
        b"/s/p/etc",
        b"/s/p/etc/conf",
    ]
    assert b"/s/p/b" not in paths(rewrites=(Rewrite("bin", "b"),), ignore="/b$")


@pytest.mark.parametrize(
    "what", [{"ignore": "("}, {"rewrites": (Rewrite("(", ""),)}, {"permissions": (Permission("("),)}]
)
def test_an_invalid_expression_is_named(what: dict[str, object]) -> None:
    with pytest.raises(RuleError, match=r"'\('"):
        applied(**what)


def test_classes_that_only_go_knows_are_refused() -> None:
    with pytest.raises(RuleError, match="write it out"):
        applied(ignore="[[:alpha:]]")


REPLACEMENTS = [
    ("(a)(b)?", "[$1|$2]", "xabxa"),
    ("(a)", "$1x", "aa"),
    ("(a)", "${1}x", "aa"),
    ("(a)", "$$1 $0 ${0} $2 $9 $", "a"),
    ("(a)", "$ $- ${ ${1 ${1}} ${-}", "a"),
    ("(?P<name>a)", "$name ${name} $other $namex", "a"),
    ("x*", "-", "axbxxc"),
    ("x*", "-", ""),
    ("", "-", "ab"),
    ("a|", "<$0>", "baac"),
    ("^/nix/store/[^/]*", "", "/nix/store/abc-x/bin"),
    ("b*$", "!", "abb"),
    ("(?i)A", "b", "aA"),
    ("a$", "!", "a\n"),
    ("(?m)a$", "!", "a\na\n"),
    (r"\.", "\\1 \\g<1>", "a.b"),
]


def replaced(regex: str, repl: str, given: str) -> bytes:
    """The result of a rewrite, before it is cleaned."""
    return rules.replacer(Rewrite(regex, repl))(given.encode())


@pytest.mark.parametrize(("regex", "repl", "given"), REPLACEMENTS)
def test_replacements_are_those_of_go(go_replace: Program, regex: str, repl: str, given: str) -> None:
    question = {"Regex": text(regex.encode()), "Repl": text(repl.encode()), "Text": text(given.encode())}
    assert replaced(regex, repl, given) == go_replace.ask(question)


@given(
    st.sampled_from(
        [
            "a",
            "a*",
            "(a)|(b)",
            "(a*)(b*)",
            "b?",
            "^",
            "$",
            "[ab]+",
            "a.?",
            "b$",
            r"\\$",
            "[$]",
            "[^]$]",
            r"[\]$]",
            "b\\z",
            "(?m)b$",
            r"\\\\$",
        ]
    ),
    st.text("$ab1{}20", max_size=8),
    st.text("ab\n", max_size=8),
)
def test_any_replacement_is_that_of_go(go_replace: Program, regex: str, repl: str, given: str) -> None:
    question = {"Regex": text(regex.encode()), "Repl": text(repl.encode()), "Text": text(given.encode())}
    assert replaced(regex, repl, given) == go_replace.ask(question)


@given(st.text("./ab", max_size=14).map(str.encode))
def test_paths_are_cleaned_as_go_cleans_them(go_replace: Program, path: bytes) -> None:
    assert clean(path) == go_replace.ask({"Path": text(path)})


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [(b"", b"."), (b"/", b"/"), (b"//", b"/"), (b"/../a", b"/a"), (b"../a/..", b".."), (b"a//b/./c/", b"a/b/c")],
)
def test_cleaned_paths(path: bytes, cleaned: bytes) -> None:
    assert clean(path) == cleaned
