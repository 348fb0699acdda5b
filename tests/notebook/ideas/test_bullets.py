"""A takeaway is added in its author's own manner."""

import pytest

from imgexp_tui.notebook.ideas.bullets import append_bullet


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("", "- new\n"),
        ("- old\n", "- old\n- new\n"),
        ("- old", "- old\n- new"),
        ("-old style\n", "-old style\n-new\n"),
        ("* star\n  - nested\n", "* star\n  - nested\n* new\n"),
        ("-\n", "- new\n"),
        ("-", "- new"),
        ("-first\n-\n", "-first\n-new\n"),
        ("prose only\n", "prose only\n- new\n"),
        ("- old\n\n\n", "- old\n- new\n\n\n"),
    ],
)
def test_with_bullet(note: str, expected: str) -> None:
    assert append_bullet(note, "new") == expected


def test_further_lines_are_indented_under_the_bullet() -> None:
    assert append_bullet("-a\n", "one\ntwo") == "-a\n-one\n two\n"
