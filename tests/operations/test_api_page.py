"""Every block of docs/api.md does, as it stands and one after the other, what the page says."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import node

PAGE = (node.ROOT / "docs/api.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)
SECONDS = 60


class ThePage(unittest.TestCase):
    def test_every_block_is_one_that_is_run(self):
        self.assertEqual({kind for kind, _ in BLOCKS}, {"bash", "js"})
        named = [re.match(r"// (\S+)\n", text) for kind, text in BLOCKS if kind == "js"]
        self.assertTrue(all(named) and len(named) == 2, "each js block begins with the name of its file")

    def test_the_bot_is_as_short_as_the_page_says(self):
        bot = next(text for kind, text in BLOCKS if text.startswith("// bot.mjs"))
        lines = [line for line in bot.splitlines()[1:] if line.strip()]
        self.assertLessEqual(len(lines), 11)

    def test_they_do_what_the_page_says(self):
        # As for whoever stands in the folder of the source and has the program in the path.
        with node.running(BCRYPT_COST=4) as (chat, operator, data), tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            (folder / "client").symlink_to(node.ROOT / "client")
            (folder / "bin").mkdir()
            (folder / "bin/chorus").symlink_to(node.program().resolve())
            for kind, text in BLOCKS:
                if kind == "js":
                    (folder / re.match(r"// (\S+)", text).group(1)).write_text(text)
            script = "\n".join(f"echo '== {at}'\n{text}" for at, (kind, text) in enumerate(BLOCKS) if kind == "bash")
            environment = {
                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
                "HOME": place,
                "CHORUS_URL": chat,
                "DATA_DIR": str(data),
                "METRICS_PORT": operator.rsplit(":", 1)[1],
            }
            log = folder / "said"
            with log.open("w") as out:
                code = subprocess.call(
                    ["timeout", str(SECONDS), "bash", "-euo", "pipefail", "-c", script],
                    cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                )
            said = log.read_text()
        self.assertEqual(code, 0, said)
        for expected in (
            '"registration":"open"',
            "User created successfully",
            '{"id":"my-1","room":"lobby","seq":1,',
            '"message":"Hello from a program"',
            "read+write",
            '{"type":"welcome","protocol":"chorus.v1","username":"adder"',
            '{"type":"ack","id":"hello-1","room":"lobby","seq":3,',
            "alice: 42",
            "1 token of adder: ended.",
        ):
            self.assertIn(expected, said)
        # A call that is refused answers with a code, and none of these may be.
        self.assertNotIn('"code"', said)
        self.assertEqual(said.count("chorus_"), 0, "no token is printed")


if __name__ == "__main__":
    unittest.main()
