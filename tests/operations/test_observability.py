"""Metrics are what Prometheus expects, and alerts, dashboard and runbook speak of nothing else.

Needs Debian's `prometheus`, and a program to ask: CHORUS_BIN, else target/debug/chorus.
"""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import node

ROOT = node.ROOT
OBSERVABILITY = ROOT / "observability"
DOCUMENTS = ("docs/runbook.md", "docs/operations.md")
# Of others: Prometheus' own, and kube-state-metrics'.
FOREIGN = re.compile(r"^(up|ALERTS|kube_\w+)$")


def metrics():
    """NAME → (type, help) of all that src describes."""
    found = {}
    for path in (ROOT / "src").rglob("*.rs"):
        text = path.read_text()
        for kind, name, words in re.findall(r'metrics::describe_(\w+)!\(\s*"(\w+)".*?"([^"]*)"\s*\);', text, re.S):
            found[name] = (kind, words)
        for name, words in re.findall(r'counted as "(\w+)" by "\w+":\s*"([^"]*)"', text):
            found[name] = ("counter", words)
    return found


def used():
    """The names that src counts and measures by."""
    return {
        name
        for path in (ROOT / "src").rglob("*.rs")
        for name in re.findall(r'(?:metrics::(?:counter|gauge|histogram)!\(\s*|counted as )"(\w+)"', path.read_text())
    }


def promtool(*arguments, text=None, folder=None):
    done = subprocess.run(
        ["promtool", *map(str, arguments)], input=text, cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def rules():
    """As compose cuts them out."""
    return re.sub(r"^.*?^spec:\n", "", (OBSERVABILITY / "alerts.yaml").read_text(), flags=re.S | re.M)


def queries():
    """Every query of the dashboard, as Grafana would send it."""
    dashboard = json.loads((OBSERVABILITY / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    asked += [one["expr"] for one in dashboard["annotations"]["list"]]
    return [one.replace("$__rate_interval", "1m").replace("$job", "chorus") for one in asked]


def alerts():
    return {rule["alert"]: rule for group in yaml.safe_load(rules())["groups"] for rule in group["rules"]}


def unknown(text):
    """Names of ours in a text that no node has."""
    known = metrics()
    names = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in known else name for name in re.findall(r"\bchorus_[a-z_]+\b", text)}
    return sorted(names - known.keys())


class Rules(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            (folder / "rules.yml").write_text(text)
            shutil.copy(OBSERVABILITY / "alerts.test.yaml", folder)
            for arguments in (("check", "rules", "rules.yml"), ("test", "rules", "alerts.test.yaml")):
                code, said = promtool(*arguments, folder=folder)
                if code:
                    return said
        return ""

    def test_alerts_fire_when_they_should_and_at_no_other_time(self):
        self.assertEqual(self.check(rules()), "")

    def test_each_is_made_to_fire(self):
        expected = re.findall(r'alertname="(\w+)"', (OBSERVABILITY / "alerts.test.yaml").read_text())
        self.assertEqual(set(expected), set(alerts()))

    def test_one_that_never_fires_is_seen(self):
        text = rules().replace("min by (instance) (chorus_presence_current) == 0", "min by (instance) (chorus_presence_current) < 0")
        self.assertNotEqual(text, rules())
        self.assertIn("FAILED", self.check(text))

    def test_one_that_always_fires_is_seen(self):
        text = rules().replace('up{job="chorus"} == 0\n', 'up{job="chorus"} >= 0\n')
        self.assertNotEqual(text, rules())
        self.assertIn("FAILED", self.check(text))

    def test_each_has_a_section_in_the_runbook_and_each_section_an_alert(self):
        sections = re.findall(r"^### (Chorus\w+)$", (ROOT / "docs/runbook.md").read_text(), re.M)
        self.assertEqual(sorted(sections), sorted(alerts()))
        for name, rule in alerts().items():
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"), name)
            self.assertEqual(set(rule["annotations"]), {"summary", "description"}, name)


    def test_the_runbook_speaks_of_panels_that_there_are(self):
        titles = {panel["title"] for panel in json.loads((OBSERVABILITY / "dashboard.json").read_text())["panels"]}
        text = " ".join((ROOT / "docs/runbook.md").read_text().split())
        named = [one for pair in re.findall(r"[Pp]anels? \*([^*]+)\*(?: and \*([^*]+)\*)?", text) for one in pair if one]
        self.assertGreater(len(named), 10)
        self.assertLessEqual(set(named), titles)


class Names(unittest.TestCase):
    def test_what_is_counted_is_described(self):
        self.assertEqual(sorted(used() ^ metrics().keys()), [])

    def test_names_and_words_are_as_prometheus_wants_them(self):
        lines = []
        for name, (kind, words) in metrics().items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
            lines += [f'{name}_bucket{{le="+Inf"}} 1', f"{name}_sum 1", f"{name}_count 1"] if kind == "histogram" else [f"{name} 1"]
        self.assertGreater(len(lines), 60)
        self.assertEqual(promtool("check", "metrics", text="\n".join(lines) + "\n"), (0, ""))

    def test_alerts_and_dashboard_ask_for_what_there_is(self):
        asked = queries()
        self.assertGreater(len(asked), 30)
        for text in [*asked, rules(), *((ROOT / name).read_text() for name in DOCUMENTS)]:
            self.assertEqual(unknown(text), [], text[:200])
        self.assertEqual(unknown("rate(chorus_no_such_total[1m])"), ["chorus_no_such_total"])

    def test_every_query_can_be_read(self):
        recorded = {"groups": [{"name": "q", "rules": [{"record": f"q:{n}", "expr": q} for n, q in enumerate(queries())]}]}
        with tempfile.TemporaryDirectory() as place:
            file = pathlib.Path(place) / "queries.yml"
            file.write_text(yaml.safe_dump(recorded))
            code, said = promtool("check", "rules", file)
            self.assertEqual(code, 0, said)


class Watchers(unittest.TestCase):
    """The profile of docker-compose.yml, and what it reads."""

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mine = {name: one for name, one in compose["services"].items() if one.get("profiles") == ["observability"]}

    def test_they_start_only_when_they_are_asked_for_and_speak_to_this_machine_alone(self):
        self.assertEqual(set(self.mine), {"prometheus", "grafana", "traces"})
        for name, one in self.mine.items():
            for port in one["ports"]:
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")
        for name in self.compose["services"].keys() - self.mine.keys():
            self.assertFalse(set(self.compose["services"][name].get("depends_on", [])) & set(self.mine), name)

    def test_every_file_they_read_is_there(self):
        files = [volume.split(":")[0] for one in self.mine.values() for volume in one.get("volumes", [])]
        files = [file for file in files if file.startswith("./")]
        self.assertEqual(len(files), 5)
        for file in files:
            self.assertTrue((ROOT / file).is_file(), file)

    def test_prometheus_reads_its_configuration_and_the_rules_that_it_cuts_out(self):
        code, said = promtool("check", "config", "--syntax-only", OBSERVABILITY / "prometheus.yml")
        self.assertEqual(code, 0, said)
        command = self.mine["prometheus"]["command"][0].splitlines()[0]
        line = command.replace("/etc/chorus/alerts.yaml", str(OBSERVABILITY / "alerts.yaml")).split(" >")[0]
        made = subprocess.run(["sh", "-euc", line], capture_output=True, text=True, timeout=10).stdout
        self.assertEqual(yaml.safe_load(made), yaml.safe_load(rules()))
        jobs = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]
        self.assertEqual([job["job_name"] for job in jobs], ["chorus"])
        self.assertIn(jobs[0]["dns_sd_configs"][0]["names"][0], self.compose["services"])

    def test_grafana_asks_who_is_there(self):
        sources = yaml.safe_load((OBSERVABILITY / "grafana/datasources.yaml").read_text())["datasources"]
        self.assertLessEqual({re.sub(r"http://(\w+):.*", r"\1", one["url"]) for one in sources}, set(self.mine))


def labels():
    """NAME → the label of each metric whose values are a closed set in src, and these values."""
    found = {}
    for path in (ROOT / "src").rglob("*.rs"):
        for body in re.findall(r"^closed_set! \{(.*?)^\}", path.read_text(), re.S | re.M):
            for name, label in re.findall(r'counted as "(\w+)" by "(\w+)"', body):
                found[name] = (label, re.findall(r'^\s+\w+ = "(\w+)",$', body, re.M))
    return found


class ANode(unittest.TestCase):
    def test_what_it_counts_is_there_from_the_start_at_zero(self):
        with node.running() as (_, operator, _):
            said = node.ask(f"{operator}/metrics")
        # Its first call has a path and an answer.
        expected = {name: kind for name, (kind, _) in metrics().items() if name != "chorus_http_requests_total"}
        for name, kind in expected.items():
            if kind == "histogram":
                self.assertRegex(said, rf"(?m)^{name}_count \d+$")
            elif kind == "counter" and name not in labels():
                self.assertRegex(said, rf"(?m)^{name}(\{{.*\}})? 0$")
        self.assertGreaterEqual(len(labels()), 5)
        for name, (label, values) in labels().items():
            for value in values:
                self.assertIn(f'\n{name}{{{label}="{value}"}} 0\n', said)
        self.assertIn('\nchorus_not_ready{cause="database"} 0\n', said)
        for dialect in ("v1", "seed"):
            self.assertIn(f'\nchorus_sockets{{dialect="{dialect}"}} 0\n', said)

    def test_the_process_is_seen_by_the_names_that_every_dashboard_knows(self):
        with node.running() as (_, operator, _):
            said = node.ask(f"{operator}/metrics")
        of_process = dict(re.findall(r"(?m)^process_(\w+) ([\d.]+)$", said))
        self.assertEqual(
            set(of_process),
            {
                *("cpu_seconds_total", "start_time_seconds", "threads", "resident_memory_bytes"),
                *("virtual_memory_bytes", "open_fds", "max_fds"),
            },
        )

    def test_its_metrics_are_as_prometheus_wants_them(self):
        with node.running() as (chat, operator, _):
            self.assertEqual(node.ask(f"{chat}/ready"), '{"status":"ready"}')
            said = node.ask(f"{operator}/metrics")
        self.assertIn("chorus_build_info", said)
        self.assertEqual(promtool("check", "metrics", text=said), (0, ""))
        self.assertEqual(unknown("\n".join(re.findall(r"^chorus_\w+", said, re.M))), [])


if __name__ == "__main__":
    unittest.main()
