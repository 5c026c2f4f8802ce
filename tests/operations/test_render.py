"""render.yaml names what is there."""

import re
import subprocess
import unittest

import yaml

from manifests import ROOT, settings

RENDER = yaml.safe_load((ROOT / "render.yaml").read_text())
SERVER, CLIENT = RENDER["services"]


class Render(unittest.TestCase):
    def test_the_server_is_given_settings_that_it_knows(self):
        known, secrets = settings()
        for variable in SERVER["envVars"]:
            self.assertIn(variable["key"], known)
            # No secret stands in the file itself.
            self.assertEqual("value" in variable, variable["key"] not in secrets, variable)
        database = next(one["fromDatabase"]["name"] for one in SERVER["envVars"] if "fromDatabase" in one)
        self.assertEqual([one["name"] for one in RENDER["databases"]], [database])

    def test_files_and_folders_are_there(self):
        self.assertTrue((ROOT / SERVER["dockerfilePath"]).is_file())
        self.assertTrue((ROOT / CLIENT["staticPublishPath"] / "index.html").is_file())

    def test_the_static_page_is_told_where_its_server_is_and_that_lets_it_in(self):
        server = CLIENT["envVars"][0]["value"]
        command = CLIENT["buildCommand"].replace("sed -i", "sed")
        page = subprocess.run(
            ["sh", "-euc", command], cwd=ROOT, env={"SERVER": server}, capture_output=True, text=True, timeout=10
        ).stdout
        self.assertIn(f'<meta name="chorus-server" content="{server}">', page)
        self.assertIn(SERVER["name"], server)
        allowed = next(one["value"] for one in SERVER["envVars"] if one["key"] == "ALLOWED_ORIGINS")
        self.assertRegex(allowed, re.escape(CLIENT["name"]))


if __name__ == "__main__":
    unittest.main()
