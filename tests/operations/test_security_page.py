"""What SECURITY.md points at is there: a promise without its test is none."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()


def holds(text, name):
    """Whether a test of this name is in there: of Rust a function, of JavaScript a title."""
    return re.search(rf"\bfn {re.escape(name)}\(|\btest\('{re.escape(name)}'", text)


class SecurityPage(unittest.TestCase):
    def test_every_test_that_it_names_is_there(self):
        named = re.findall(r"\[`([^`]+)`\]\(([^)]+\.(?:rs|mjs))\)", PAGE)
        self.assertGreater(len(named), 30)
        for name, file in named:
            self.assertTrue(holds((ROOT / file).read_text(), name), f"{name} is not in {file}")
        self.assertFalse(holds("fn another_test() {", "a_test"))

    def test_every_row_names_what_shows_it(self):
        attempts = PAGE.split("## Who attacks")[1].split("**Somebody upstream**")[0]
        for row in re.findall(r"^\| (?!attempt|mistake).*", attempts, flags=re.M):
            self.assertRegex(row, r"\]\((src|tests)/", row)

    def test_links_lead_somewhere(self):
        for link in re.findall(r"\]\(([^)]+)\)", PAGE):
            file, _, title = link.partition("#")
            text = (ROOT / file).read_text() if file else PAGE
            titles = [re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)", text, re.M)]
            self.assertTrue(not title or title in titles, link)


if __name__ == "__main__":
    unittest.main()
