"""What k8s/ would apply is right, and a mistake in it does not pass."""

import pathlib
import tempfile
import unittest

import manifests

GATEWAY, NGINX, BASE = "k8s/base/gateway.yaml", "k8s/base/nginx.yaml", "k8s/base/kustomization.yaml"
NETWORK, COMPONENTS = "k8s/base/network.yaml", "k8s/components"

# A mistake somebody may make: the file, what stands there, what is written instead, and the words
# by which it is refused.
MISTAKES = {
    "a misspelled field": (GATEWAY, "terminationGracePeriodSeconds", "terminationGraceSeconds", "terminationGraceSeconds"),
    "a field in the wrong place": (GATEWAY, "  minReadySeconds: 10", "  enableServiceLinks: false", "enableServiceLinks"),
    "a number as text": (GATEWAY, "containerPort: 9464", 'containerPort: "9464"', "9464"),
    "a setting that does not exist": (BASE, "TRUSTED_PROXIES=", "TRUSTED_PROXY=", "no such setting: TRUSTED_PROXY"),
    "a secret in a ConfigMap": (BASE, "JWT_SECRET_FILE=/secrets/jwt-secret", "JWT_SECRET=" + "0" * 64, "a secret that everybody"),
    "no secret to sign with": (BASE, "      - JWT_SECRET_FILE=/secrets/jwt-secret\n", "", "JWT_SECRET_FILE is not given"),
    "nodes that migrate": (BASE, "MIGRATE_ON_START=false", "MIGRATE_ON_START=true", "the Job's"),
    "a drain longer than the grace": (BASE, "SHUTDOWN_TIMEOUT_SECONDS=20", "SHUTDOWN_TIMEOUT_SECONDS=35", "the grace"),
    "no wait for balancers": (NGINX, "sleep: { seconds: 10 }", "sleep: { seconds: 0 }", "preStop"),
    "a probe of a port that is not there": (GATEWAY, "path: /ready, port: metrics", "path: /ready, port: http", "readinessProbe"),
    "a service of nobody": (GATEWAY, "selector: { app: gateway }", "selector: { app: gate }", "Service gateway: nobody"),
    "a selector of other pods": (NGINX, "labels: { app: nginx }\n    spec", "labels: { app: web }\n    spec", "selector"),
    "replicas beside an autoscaler": (GATEWAY, "spec:\n  # No", "spec:\n  replicas: 3\n  # No", "autoscaler"),
    "an autoscaler of nothing": (GATEWAY, "kind: Deployment, name: gateway", "kind: Deployment, name: gw", "no such Deployment"),
    "a budget for nobody": (GATEWAY, "  maxUnavailable: 1\n  selector:\n    matchLabels: { app: gateway }", "  maxUnavailable: 1\n  selector:\n    matchLabels: { app: none }", "PodDisruptionBudget gateway"),
    "a container with privileges": (GATEWAY, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "privileges"),
    "a program as root": (NGINX, "runAsNonRoot: true", "runAsNonRoot: false", "root"),
    "no bound on memory": (GATEWAY, "            limits: { memory: 512Mi }\n", "", "no bound"),
    "a volume that is not there": (GATEWAY, "- name: secrets\n          secret", "- name: others\n          secret", "no volume secrets"),
    "a file that is not there": (BASE, "- nginx.yaml", "- nginxes.yaml", "kustomize"),
    "nginx shut out by a policy": (NETWORK, "from:\n        - podSelector:\n            matchLabels: { app: nginx }", "from:\n        - podSelector:\n            matchLabels: { app: web }", "nginx does not reach chat"),
    "a way out that is closed": ("k8s/development/redis.yaml", "port: redis, protocol: TCP", "port: 6380, protocol: TCP", "gateway does not reach redis"),
    "administration for everybody": (NETWORK, "      ports:\n        - { port: chat, protocol: TCP }\n  # By", "      ports:\n        - { port: chat, protocol: TCP }\n        - { port: metrics, protocol: TCP }\n  # By", "open to everybody"),
    "a patch that hits nothing": ("k8s/development/kustomization.yaml", "/spec/minReplicas", "/spec/least/of/all", "kustomize"),
    "an ingress to nowhere": (f"{COMPONENTS}/ingress/ingress.yaml", "name: nginx\n", "name: web\n", "no Service: web"),
    "a route to nowhere": (f"{COMPONENTS}/gateway-api/route.yaml", "name: nginx,", "name: web,", "no Service: web"),
    "a misspelled route": (f"{COMPONENTS}/gateway-api/route.yaml", "backendRefs", "backends", "backends"),
    "a monitor of no port": (f"{COMPONENTS}/prometheus-operator/monitor.yaml", "port: metrics", "port: numbers", "no Service with a port"),
    "a monitor under another name": (f"{COMPONENTS}/prometheus-operator/monitor.yaml", "jobLabel: app.kubernetes.io/part-of", "jobLabel: app", "not called chorus"),
    "a broker behind a closed port": (f"{COMPONENTS}/rabbitmq/kustomization.yaml", "port: 5671,", "port: 5673,", "5671 is closed"),
    "a Kafka behind a closed port": (f"{COMPONENTS}/kafka/kustomization.yaml", "port: 9093,", "port: 9094,", "9093 is closed"),
    "a broker's password for everybody": (f"{COMPONENTS}/rabbitmq/kustomization.yaml", "AMQP_URL_FILE=/secrets/amqp-url", "AMQP_URL=amqp://u:p@h", "a secret that everybody"),
    "a database behind a closed port": (NETWORK, "port: 5432,", "port: 5433,", "5432 is closed"),
    "a misspelled rule": ("observability/alerts.yaml", "          for: 1m", "          fore: 1m", "fore"),
}


class Manifests(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = manifests.copy(pathlib.Path(place.name))

    def test_every_overlay_can_be_applied(self):
        for overlay in manifests.OVERLAYS:
            with self.subTest(overlay):
                self.assertEqual(manifests.problems(self.folder, overlay), [])

    def test_together_they_hold_every_component(self):
        kinds = {one["kind"] for overlay in manifests.OVERLAYS for one in manifests.build(self.folder, overlay)[1]}
        self.assertLessEqual({"Ingress", "HTTPRoute", "ServiceMonitor", "PrometheusRule", "Job"}, kinds)
        scaled = manifests.Made(manifests.build(self.folder, "other")[1]).named("HorizontalPodAutoscaler", "gateway")
        self.assertEqual([one["type"] for one in scaled["spec"]["metrics"]], ["Resource", "Pods"])

    def test_brokers_are_called_only_where_they_are_wanted(self):
        brokers = {5671, 5672, 9092, 9093}
        for overlay, wanted in (("production", set()), ("other", brokers)):
            made = manifests.Made(manifests.build(self.folder, overlay)[1])
            nodes = dict(made.pods)["gateway"]
            self.assertEqual(made.out_of(nodes) & brokers, wanted, overlay)
            self.assertEqual("AMQP_URL_FILE" in made.env(nodes), bool(wanted), overlay)

    def test_a_mistake_does_not_pass(self):
        for name, (file, here, instead, words) in MISTAKES.items():
            with self.subTest(name):
                path = self.folder / file
                text = path.read_text()
                self.assertIn(here, text)
                path.write_text(text.replace(here, instead))
                overlay = "production" if "ingress" in file else "other" if COMPONENTS in file or "alerts" in file or "5432" in here else "development"
                said = manifests.problems(self.folder, overlay)
                path.write_text(text)
                self.assertTrue(any(words in one for one in said), said)

    def test_production_keeps_its_secrets_elsewhere(self):
        made = manifests.Made(manifests.build(self.folder, "production")[1])
        self.assertEqual(made.of("Secret"), [])
        example = manifests.yaml.safe_load((manifests.ROOT / "k8s/production/secret.example.yaml").read_text())
        files = {value for one in made.of("ConfigMap") for key, value in one["data"].items() if key.endswith("_FILE")}
        self.assertEqual({f"/secrets/{key}" for key in example["stringData"]}, files)


if __name__ == "__main__":
    unittest.main()
