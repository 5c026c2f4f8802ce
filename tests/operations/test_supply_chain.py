"""What comes from outside is what deny.toml lets in, and scripts/sbom says what of it is in the program.

cargo-deny (scripts/supply-chain) knows more, but takes minutes to build; this takes seconds, and reads the
same file.
"""

import collections
import functools
import json
import pathlib
import subprocess
import tomllib
import unittest

import license_expression
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = pathlib.Path(__file__).resolve().parents[2]
DENY = tomllib.loads((ROOT / "deny.toml").read_text())
LOCK = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
MANIFEST = tomllib.loads((ROOT / "Cargo.toml").read_text())
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
OURS = {"chorus", "chorus-load"}
# Default features that we want, or don't get rid of; of everything else there are none but `std`.
DEFAULTS = {
    "bcrypt": "zeroize: forgets passwords",
    "clap": "what --help and its errors are made of",
    "rusqlite": "cache: keeps statements; the other one is of WebAssembly",
    "sha2": "tokio-postgres wants both anyway",
    "tokio-postgres": "runtime: that it runs on tokio",
    "tracing-subscriber": "what writes lines",
}


@functools.cache
def built():
    """Of every package that is built for one of deny.toml's targets: what it says, and by whom it is wanted."""
    packages, wanted = {}, collections.defaultdict(set)
    for target in DENY["graph"]["targets"]:
        told = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))
        known = {package["id"]: package for package in told["packages"]}
        needs = {node["id"]: node["dependencies"] for node in told["resolve"]["nodes"]}
        waiting = list(told["workspace_members"])
        while waiting:
            one = waiting.pop()
            if one in packages:
                continue
            packages[one] = known[one]
            for need in needs[one]:
                wanted[need].add(known[one]["name"])
                waiting.append(need)
    return packages, wanted


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def bill():
    return subprocess.run([ROOT / "scripts/sbom"], stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


class WhatIsLetIn(unittest.TestCase):
    def test_everything_has_one_version_except_for_a_reason(self):
        versions = collections.defaultdict(set)
        for package in built()[0].values():
            versions[package["name"]].add(package["version"])
        excused = [one["crate"] for one in DENY["bans"]["skip"]]
        self.assertEqual(len(excused), len(set(excused)))
        for one in DENY["bans"]["skip"]:
            self.assertTrue(one["reason"], one)
            name, version = one["crate"].split("@")
            self.assertIn(version, versions[name], f"{name} {version} has gone: take it out of deny.toml")
            self.assertGreater(len(versions[name]), 1, f"{name} has one version: take it out of deny.toml")
            versions[name].remove(version)
        twice = {name: sorted(all) for name, all in versions.items() if len(all) > 1}
        self.assertEqual(twice, {}, "say in deny.toml why, or make it one")

    def test_what_is_banned_is_not_there(self):
        packages, wanted = built()
        for ban in DENY["bans"]["deny"]:
            for id, package in packages.items():
                if package["name"] == ban["crate"]:
                    self.assertLessEqual(wanted[id], set(ban.get("wrappers", [])), ban)

    def test_licences_are_of_the_list(self):
        licensing = license_expression.get_spdx_licensing()

        def allowed(tree):
            if isinstance(tree, licensing.OR):
                return any(map(allowed, tree.args))
            if isinstance(tree, licensing.AND):
                return all(map(allowed, tree.args))
            return str(tree) in DENY["licenses"]["allow"]

        whose = {package["license"]: package["name"] for package in built()[0].values()}
        self.assertNotIn(None, whose)
        for words, name in whose.items():
            # Some still write `/`, as was once allowed.
            tree = licensing.parse(words.replace("/", " OR "), validate=True)
            self.assertTrue(allowed(tree), f"{name}: {words}")
        self.assertFalse(allowed(licensing.parse("GPL-3.0-only AND MIT")))

    def test_packages_are_from_their_registries_and_have_sums(self):
        for package in LOCK:
            if package["name"] not in OURS:
                self.assertEqual((package["source"], len(package["checksum"])), (CRATES_IO, 64), package["name"])
        for name, package in json.loads((ROOT / "package-lock.json").read_text())["packages"].items():
            if name:
                # Without an address it is the registry's.
                self.assertNotIn("resolved", package, name)
                self.assertTrue(package["integrity"].startswith("sha512-"), name)

    def test_default_features_are_left_out_unless_they_are_wanted(self):
        packages = built()[0].values()
        ours = next(one for one in packages if one["name"] == "chorus")
        wanted = {one["name"] for one in ours["dependencies"] if one["kind"] is None and one["uses_default_features"]}
        # The version that is ours, of those that there are.
        locked = next(one for one in LOCK if one["name"] == "chorus")["dependencies"]
        versions = dict(one.split(" ") for one in locked if " " in one)
        found = {
            one["name"]
            for one in packages
            if one["name"] in wanted and versions.get(one["name"], one["version"]) == one["version"]
            and set(one["features"].get("default", [])) - {"std"}
        }
        self.assertEqual(found, set(DEFAULTS))


class Bill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = bill()
        cls.bill = json.loads(cls.text)
        cls.scopes = {one["name"]: one["scope"] for one in cls.bill["components"]}

    def test_it_is_cyclonedx(self):
        validator = JsonStrictValidator(SchemaVersion.V1_6)
        self.assertIsNone(validator.validate_str(self.text))
        wrong = self.bill["components"][0] | {"scope": "somehow"}
        self.assertIsNotNone(validator.validate_str(json.dumps(self.bill | {"components": [wrong]})))

    def test_the_same_files_give_the_same_bytes(self):
        self.assertEqual(bill(), self.text)

    def test_it_names_what_is_in_the_program_and_nothing_of_the_tests(self):
        self.assertEqual(self.scopes["tokio"], "required")
        self.assertEqual(self.scopes["async-trait"], "excluded")
        for name in MANIFEST["dependencies"]:
            self.assertIn(name, self.scopes)
        for name in ("proptest", "jsonschema", "tokio-tungstenite", "socketioxide", *OURS):
            self.assertNotIn(name, self.scopes)
        inside = [part["name"] for one in self.bill["components"] for part in one.get("components", [])]
        self.assertEqual(sorted(inside), ["aws-lc", "sqlite"])

    def test_it_holds_together(self):
        named = {one["bom-ref"] for one in self.bill["components"]} | {self.bill["metadata"]["component"]["bom-ref"]}
        tree = {one["ref"]: one["dependsOn"] for one in self.bill["dependencies"]}
        self.assertEqual(named, set(tree))
        reached, waiting = set(), [self.bill["metadata"]["component"]["bom-ref"]]
        while waiting:
            one = waiting.pop()
            if one not in reached:
                reached.add(one)
                waiting += tree[one]
        self.assertEqual(reached, named)


if __name__ == "__main__":
    unittest.main()
