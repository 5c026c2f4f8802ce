"""The broker of docker-compose.yml: who starts it, what its password is, and what the nodes are told of it."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def filled(text, given):
    """What compose makes of `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], str(text))


def mounted(service):
    """PLACE → the volume there, and whether it is only read."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return {part[1]: (part[0], part[2:] == ["ro"]) for part in parts}


class Broker(unittest.TestCase):
    text = (ROOT / "docker-compose.yml").read_text()
    compose = yaml.safe_load(text)
    services = compose["services"]
    broker, gateway, secrets = services["rabbitmq"], services["gateway"], services["secrets"]

    def told(self, **given):
        """What the nodes are told, without what is empty: for them that is the same as nothing."""
        env = {name: filled(value, given) for name, value in self.gateway["environment"].items()}
        return {name: value for name, value in env.items() if value}

    def makes(self, place, given=None):
        """Runs the script of `secrets` in a folder of this machine; answers what is in it then."""
        script = self.secrets["command"][0].replace("$$", "$").replace("/secrets", str(place))
        env = {"PATH": "/usr/bin:/bin", "JWT_SECRET": "", "DB_PASSWORD": "", **(given or {})}
        subprocess.run([*self.secrets["entrypoint"], script], env=env, check=True, timeout=10)
        return {name: (place / "rabbitmq" / name).read_text() for name in ("password", "url")}

    def test_it_starts_only_when_it_is_asked_for_and_nobody_waits_for_it(self):
        self.assertEqual(self.broker["profiles"], ["rabbitmq"])
        for name, one in self.services.items():
            self.assertNotIn("rabbitmq", one.get("depends_on", {}), name)
        for port in self.broker["ports"]:
            self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_nodes_are_told_of_it_when_that_is_wanted(self):
        self.assertFalse({"AMQP_URL", "AMQP_URL_FILE"} & self.told().keys())
        wanted = re.search(r"(AMQP_URL_FILE)=(\S+) docker compose --profile rabbitmq up", self.text)
        self.assertEqual(self.told(**{wanted[1]: wanted[2]})[wanted[1]], "/secrets/rabbitmq/url")
        other = self.told(AMQP_URL="amqps://elsewhere")
        self.assertEqual(other["AMQP_URL"], "amqps://elsewhere")
        self.assertNotIn("AMQP_URL_FILE", other)

    def test_its_password_is_made_once_and_stands_nowhere_else(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            for part in ("jwt", "database", "rabbitmq"):
                (place / part).mkdir()
            first = self.makes(place)
            self.assertRegex(first["password"], r"^[0-9a-f]{64}$")
            user = self.broker["environment"]["RABBITMQ_DEFAULT_USER"]
            self.assertEqual(first["url"], f"amqp://{user}:{first['password']}@{self.broker['hostname']}:5672/%2f")
            self.assertEqual(self.makes(place), first)
        self.assertNotIn("RABBITMQ_DEFAULT_PASS", self.broker["environment"])
        self.assertNotIn("guest", str(self.broker))

    def test_who_reads_it_can_and_only_one_writes_it(self):
        place = "/secrets/rabbitmq"
        volume = mounted(self.broker)[place][0]
        self.assertEqual(mounted(self.secrets)[place], (volume, False))
        for one in (self.broker, self.gateway):
            self.assertEqual(mounted(one)[place], (volume, True))
        # A volume gets its owner from the image; else the script could not write there.
        self.assertIn(place, re.search(r"install -d -o chorus .* -m 0755 .*", (ROOT / "Dockerfile").read_text())[0])
        for part in (self.broker, self.secrets, self.gateway):
            self.assertLessEqual({name for name, _ in mounted(part).values()}, self.compose["volumes"].keys())

    def test_it_is_locked_up_and_keeps_what_it_has(self):
        self.assertTrue(self.broker["read_only"])
        self.assertEqual(self.broker["cap_drop"], ["ALL"])
        self.assertNotIn(self.broker["user"].split(":")[0], ("0", "root"))
        self.assertIn("/var/lib/rabbitmq", mounted(self.broker))
        # It writes a log of upgrades there, or does not start.
        self.assertIn("/var/log/rabbitmq", [place.split(":")[0] for place in self.broker["tmpfs"]])
        # Its data lies under its name.
        self.assertIn("hostname", self.broker)
        self.assertIn("healthcheck", self.broker)


if __name__ == "__main__":
    unittest.main()
