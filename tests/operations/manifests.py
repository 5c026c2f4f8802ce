"""What kustomize makes of k8s/, and what is wrong with it. Started by hand it prints the manifests:

    python3 tests/operations/manifests.py production
"""

import functools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

# The one in C is ten times as fast.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ROOT = pathlib.Path(__file__).resolve().parents[2]
# The oldest that knows all we use (preStop.sleep), and the newest there are schemas of.
VERSIONS = ("1.30", "1.37")
# Every component is in one of them; `other` is production with the other way in, and all that is optional.
OVERLAYS = ("development", "production", "other")
# Of a server that is somewhere else, the setting that says where, and its ports without TLS and with it.
ELSEWHERE = {"DATABASE_URL": {5432}, "REDIS_URL": {6379, 6380}, "AMQP_URL": {5672, 5671}, "KAFKA_BROKERS": {9092, 9093}}


def copy(folder):
    """A copy of what kustomize reads, with the files that an operator makes from the examples."""
    for part in ("k8s", "nginx", "observability"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("secret.env"))
    k8s = folder / "k8s"
    example = (k8s / "development/secret.example.env").read_text()
    (k8s / "development/secret.env").write_text(re.sub(r"=$", "=" + "0" * 64, example, flags=re.M))
    text = (k8s / "production/kustomization.yaml").read_text()
    shutil.copytree(k8s / "production", k8s / "other")
    text = text.replace("- ../components/ingress", "# - ../components/ingress")
    (k8s / "other/kustomization.yaml").write_text(re.sub(r"# - (../components/[^i])", r"- \1", text))
    return folder


def kubectl():
    """The one of tests/operations/requirements.txt, else the machine's."""
    beside = pathlib.Path(sys.executable).with_name("kubectl")
    return str(beside) if beside.exists() else "kubectl"


def build(folder, overlay):
    """All resources, as `kubectl apply -k` would send them."""
    made = subprocess.run(
        [kubectl(), "kustomize", folder / "k8s" / overlay], capture_output=True, text=True, timeout=60
    )
    if made.returncode:
        raise ValueError(f"kustomize: {made.stderr.strip()}")
    return made.stdout, [one for one in yaml.load_all(made.stdout, Loader) if one]


def thing(**properties):
    return {"type": "object", "additionalProperties": False, "properties": properties}


ANY, TEXT, TEXTS = {}, {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = thing(name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)


def many(item):
    return {"type": "array", "minItems": 1, "items": item}


def custom(**spec):
    return thing(apiVersion=TEXT, kind=TEXT, metadata=METADATA, spec=thing(**spec))


# Of resources that are not Kubernetes' own, what is used here of them: what else appears is looked up first.
CUSTOM = {
    ("monitoring.coreos.com/v1", "PrometheusRule"): custom(
        groups=many(
            thing(
                name=TEXT,
                rules=many(thing(alert=TEXT, expr=TEXT, **{"for": TEXT}, labels=TEXTS, annotations=TEXTS)),
            )
        )
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): custom(
        jobLabel=TEXT,
        selector=thing(matchLabels=TEXTS),
        endpoints=many(thing(port=TEXT, interval=TEXT, scrapeTimeout=TEXT)),
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): custom(
        parentRefs=many(thing(name=TEXT, namespace=TEXT)),
        hostnames=many(TEXT),
        rules=many(
            thing(
                matches=many(thing(path=thing(type={"enum": ["PathPrefix", "Exact"]}, value=TEXT))),
                backendRefs=many(thing(name=TEXT, port={"type": "integer"})),
                timeouts=thing(request=TEXT),
            )
        ),
    ),
}


def of_the_schema(one):
    """Words of the schema's, if it refuses this resource."""
    return list(schema_says(json.dumps(one)))


# Most resources are the same in the next question.
@functools.cache
def schema_says(text):
    return tuple(refusals(json.loads(text)))


def refusals(one):
    known = CUSTOM.get((one["apiVersion"], one["kind"]))
    if known:
        for error in jsonschema.Draft202012Validator(known).iter_errors(one):
            yield error.message
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{version}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield error.message


def template(one):
    """A workload's pods, or nothing."""
    return one.get("spec", {}).get("template") if one["kind"] in ("Deployment", "StatefulSet", "Job") else None


def chosen(selector, labels):
    """Whether a selector means a pod with these labels."""
    wanted = (selector or {}).get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        labels.get(rule["key"]) in rule["values"] for rule in (selector or {}).get("matchExpressions", [])
    )


@functools.cache
def settings():
    """The names that src/config/settings.rs knows: all that may be given, and those of secrets."""
    rows = re.findall(r"^    ([A-Z][A-Z_]+): (\w+)", (ROOT / "src/config/settings.rs").read_text(), re.M)
    secrets = {name for name, kind in rows if kind == "Secret"}
    return {name for name, _ in rows} | {f"{name}_FILE" for name in secrets}, secrets


class Made:
    """The resources of one overlay, and what they say of each other."""

    def __init__(self, resources):
        self.all = resources
        self.pods = [(one["metadata"]["name"], template(one)) for one in resources if template(one)]

    def of(self, kind):
        return [one for one in self.all if one["kind"] == kind]

    def named(self, kind, name):
        return next((one for one in self.of(kind) if one["metadata"]["name"] == name), None)

    def meant(self, selector):
        return [(name, pod) for name, pod in self.pods if chosen(selector, pod["metadata"]["labels"])]

    def problems(self):
        refused = [
            f"{one['kind']} {one['metadata']['name']}: {words}" for one in self.all for words in of_the_schema(one)
        ]
        yield from refused
        if refused:
            return
        for name, pod in self.pods:
            for words in self.of_pod(pod):
                yield f"{name}: {words}"
        yield from self.of_services()
        yield from self.of_selectors()
        yield from self.of_the_way()

    def env(self, pod):
        """What a pod's first container is told."""
        container = pod["spec"]["containers"][0]
        told = {one["name"]: one.get("value") for one in container.get("env", [])}
        for source in container.get("envFrom", []):
            found = self.named("ConfigMap", source.get("configMapRef", {}).get("name"))
            told |= found["data"] if found else {}
        return told

    def of_pod(self, pod):
        spec = pod["spec"]
        container = spec["containers"][0]
        env = self.env(pod)
        for source in container.get("envFrom", []):
            if not self.named("ConfigMap", source["configMapRef"]["name"]):
                yield f"no ConfigMap {source['configMapRef']['name']}"
        ports = {port["name"] for port in container.get("ports", [])}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container.get(kind, {})
            port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
            if port and port not in ports:
                yield f"{kind} asks a port that is not there: {port}"
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes and mount["name"] != "data":
                yield f"no volume {mount['name']}"
        for volume in volumes.values():
            if "configMap" in volume and not self.named("ConfigMap", volume["configMap"]["name"]):
                yield f"no ConfigMap {volume['configMap']['name']}"
            secret = volume.get("secret", {}).get("secretName")
            if secret and self.of("Secret") and not self.named("Secret", secret):
                yield f"no Secret {secret}"
        yield from self.of_security(spec, container)
        if "chorus-gateway" in container["image"]:
            known, secrets = settings()
            for name in sorted(env.keys() - known):
                yield f"no such setting: {name}"
            for name in sorted(env.keys() & secrets):
                # Only an address without a password is none.
                if name != "REDIS_URL" or "@" in env[name]:
                    yield f"a secret that everybody reads: {name}"
            for name in ("JWT_SECRET_FILE", "NODE_ENV", "REDIS_URL"):
                if not any(known.startswith(name) for known in env):
                    yield f"{name} is not given"
            if env.get("MIGRATE_ON_START") != "false":
                yield "the schema is the Job's"
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        stops = int(env.get("SHUTDOWN_TIMEOUT_SECONDS") or env.get("STOP_SECONDS") or 0)
        if stops and spec.get("restartPolicy") != "OnFailure":
            if not sleep:
                yield "preStop does not wait for balancers"
            if sleep + stops >= spec.get("terminationGracePeriodSeconds", 30):
                yield f"the grace is not longer than {sleep} s and {stops} s"

    @staticmethod
    def of_security(spec, container):
        if not spec.get("securityContext", {}).get("runAsNonRoot"):
            yield "may run as root"
        inner = container.get("securityContext", {})
        if inner.get("allowPrivilegeEscalation") is not False or inner.get("capabilities") != {"drop": ["ALL"]}:
            yield "keeps privileges"
        if not inner.get("readOnlyRootFilesystem"):
            yield "writes its own files"
        if spec.get("automountServiceAccountToken") is not False or spec.get("enableServiceLinks") is not False:
            yield "is told of the cluster"
        if not container.get("resources", {}).get("requests") or "memory" not in container["resources"].get("limits", {}):
            yield "asks for nothing, or has no bound"

    def of_services(self):
        for one in self.of("Service"):
            name, spec = one["metadata"]["name"], one["spec"]
            pods = self.meant({"matchLabels": spec["selector"]})
            if not pods:
                yield f"Service {name}: nobody is meant"
            for port in spec["ports"]:
                for _, pod in pods:
                    ports = {known["name"] for known in pod["spec"]["containers"][0].get("ports", [])}
                    if port["targetPort"] not in ports:
                        yield f"Service {name}: no port {port['targetPort']}"
        backends = [
            path["backend"]["service"]["name"]
            for one in self.of("Ingress")
            for rule in one["spec"]["rules"]
            for path in rule["http"]["paths"]
        ] + [back["name"] for one in self.of("HTTPRoute") for rule in one["spec"]["rules"] for back in rule["backendRefs"]]
        for name in backends:
            if not self.named("Service", name):
                yield f"the way in leads to no Service: {name}"

    def of_selectors(self):
        for name, pod in self.pods:
            one = self.named("Deployment", name) or self.named("StatefulSet", name)
            if one and not chosen(one["spec"]["selector"], pod["metadata"]["labels"]):
                yield f"{name}: its selector does not mean its pods"
            for spread in pod["spec"].get("topologySpreadConstraints", []):
                if not chosen(spread["labelSelector"], pod["metadata"]["labels"]):
                    yield f"{name}: spreads others than its own pods"
        for kind, key in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
            for one in self.of(kind):
                if not self.meant(one["spec"][key]):
                    yield f"{kind} {one['metadata']['name']}: nobody is meant"
        for one in self.of("HorizontalPodAutoscaler"):
            target = self.named("Deployment", one["spec"]["scaleTargetRef"]["name"])
            if not target:
                yield f"HorizontalPodAutoscaler {one['metadata']['name']}: no such Deployment"
            elif "replicas" in target["spec"]:
                yield f"Deployment {target['metadata']['name']}: `replicas` takes back what the autoscaler did"
        for one in self.of("ServiceMonitor"):
            wanted = one["spec"]["selector"]["matchLabels"]
            for end in one["spec"]["endpoints"]:
                if not any(
                    wanted.items() <= service["metadata"].get("labels", {}).items()
                    and end["port"] in {port["name"] for port in service["spec"]["ports"]}
                    for service in self.of("Service")
                ):
                    yield f"ServiceMonitor {one['metadata']['name']}: no Service with a port {end['port']}"
            # Alerts and dashboard ask for job="chorus".
            for service in self.of("Service"):
                labels = service["metadata"]["labels"]
                if wanted.items() <= labels.items() and labels.get(one["spec"].get("jobLabel")) != "chorus":
                    yield f"ServiceMonitor {one['metadata']['name']}: its job is not called chorus"

    def of_the_way(self):
        """Who must reach whom, by the policies: (from, to, port)."""
        ways = [("nginx", "gateway", "chat")]
        ways += [("gateway", name, name) for name in ("postgres", "redis") if self.named("Service", name)]
        ways += [("migrate", "postgres", "postgres")] if self.named("Service", "postgres") else []
        for one, other, port in ways:
            if not self.admits(one, other, port):
                yield f"{one} does not reach {port} of {other}"
        for name, pod in self.pods:
            env = self.env(pod)
            for setting in ELSEWHERE.keys() & {known.removesuffix("_FILE") for known in env}:
                for port in sorted(ELSEWHERE[setting] - self.out_of(pod)):
                    yield f"{name} has a {setting}, and {port} is closed"
        if self.lets("ingress", "gateway", "nginx", "metrics") or self.lets("ingress", "gateway", "migrate", "chat"):
            yield "the nodes are open to everybody"

    def out_of(self, pod):
        """The ports that a pod may call anywhere."""
        return {
            port["port"]
            for policy in self.of("NetworkPolicy")
            if chosen(policy["spec"]["podSelector"], pod["metadata"]["labels"])
            for rule in policy["spec"].get("egress", [])
            if "to" not in rule
            for port in rule["ports"]
        }

    def admits(self, one, other, port):
        pods = dict(self.pods)
        return (
            one in pods
            and other in pods
            and self.lets("egress", one, other, port)
            and self.lets("ingress", other, one, port)
        )

    def lets(self, way, name, peer, port):
        """Whether the policies of `name` let `peer` in, or let it go out to it, on its port of that name."""
        pods = dict(self.pods)
        labels = {known: pod["metadata"]["labels"] for known, pod in pods.items()}
        server = pods[name if way == "ingress" else peer]["spec"]["containers"][0]
        numbers = {known["containerPort"] for known in server["ports"] if known["name"] == port}
        side = "from" if way == "ingress" else "to"

        def means(rule):
            return side not in rule or any(
                "namespaceSelector" not in one and chosen(one.get("podSelector"), labels[peer]) for one in rule[side]
            )

        return any(
            means(rule) and any(one["port"] in numbers | {port} for one in rule["ports"])
            for policy in self.of("NetworkPolicy")
            if chosen(policy["spec"]["podSelector"], labels[name])
            for rule in policy["spec"].get(way, [])
        )


def problems(folder, overlay):
    """Sentences on what is wrong; none means that it can be applied."""
    try:
        _, resources = build(folder, overlay)
    except ValueError as error:
        return [str(error)]
    return list(Made(resources).problems())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(build(copy(pathlib.Path(place)), sys.argv[1])[0])
