"""What runs answers what `/openapi.json` says, and nothing else; schemathesis asks a node alone, and nginx before
three of them on PostgreSQL.

The seed is fixed, so that the same program is asked the same. What the document can't say is in `api_hooks.py`.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import node

# Far beyond what this asks: limits are tested elsewhere.
PLENTY = {
    "RATE_LIMIT_PER_HOUR": 1_000_000,
    "API_LIMIT_PER_MINUTE": 1_000_000,
    "MESSAGE_LIMIT": 100_000,
    "MESSAGE_MAX_CHARS": 4_000,
    "BCRYPT_COST": 4,
    # Of nginx.
    "SIGN_IN_PER_MINUTE": 60_000,
    "SIGN_IN_BURST": 1_000,
}
SECONDS = 60


class TheApi(unittest.TestCase):
    def run_against(self, chat, schema, *arguments):
        """Its exit code and what it said."""
        here = pathlib.Path(__file__).parent
        command = [
            pathlib.Path(sys.executable).parent / "schemathesis",
            *("run", schema, "--url", chat, "--no-color"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--workers", "1"),
            *("--seed", "7", "--generation-deterministic", "--no-shrink"),
            *("--continue-on-failure", "--request-timeout", "10", "--warnings", "off"),
            *arguments,
        ]
        environment = {**os.environ, "CHORUS_URL": chat, "SCHEMATHESIS_HOOKS": "api_hooks", "PYTHONPATH": str(here)}
        done = subprocess.run(
            [str(part) for part in command], env=environment, cwd=tempfile.gettempdir(), capture_output=True, text=True,
            timeout=SECONDS,
        )
        return done.returncode, done.stdout + done.stderr

    def answers_the_document(self, chat):
        # `/debug-sentry` fails on purpose, and `/ws` and `/` answer no calls but sockets and the page.
        code, said = self.run_against(chat, f"{chat}/openapi.json", "--exclude-path-regex", "^/(debug-sentry|ws)?$")
        self.assertEqual(code, 0, said[-20_000:])
        asked = int(re.search(r"(\d+) generated", said).group(1))
        self.assertGreater(asked, 300, said)

    def test_the_node_answers_what_the_document_says(self):
        with node.running(**PLENTY) as (chat, _, _):
            self.answers_the_document(chat)

    def test_so_does_a_cluster_behind_nginx(self):
        with node.running_cluster(**PLENTY) as chat:
            self.answers_the_document(chat)

    def test_a_document_that_is_wrong_is_noticed(self):
        with node.running(**PLENTY) as (chat, _, _), tempfile.TemporaryDirectory() as place:
            document = json.loads(node.ask(f"{chat}/openapi.json"))
            document["components"]["schemas"]["Server"]["properties"]["version"] = {"type": "integer"}
            wrong = pathlib.Path(place) / "wrong.json"
            wrong.write_text(json.dumps(document))
            code, said = self.run_against(chat, wrong, "--include-path", "/server")
        self.assertNotEqual(code, 0, said)
        self.assertIn("Response violates schema", said)


if __name__ == "__main__":
    unittest.main()
