# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""OTLP JSON lines -> spans."""
import json

KIND_INTERNAL, KIND_SERVER, KIND_CLIENT, KIND_PRODUCER, KIND_CONSUMER = 1, 2, 3, 4, 5
FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE = 0x100, 0x200


class BadLine(Exception):
    pass


def value(v):
    """An OTLP AnyValue as a Python value."""
    if "stringValue" in v:
        return v["stringValue"]
    if "intValue" in v:
        return int(v["intValue"])
    if "boolValue" in v:
        return v["boolValue"]
    if "doubleValue" in v:
        return float(v["doubleValue"])
    if "arrayValue" in v:
        return [value(x) for x in v["arrayValue"].get("values", [])]
    if "kvlistValue" in v:
        return attributes(v["kvlistValue"].get("values", []))
    if "bytesValue" in v:
        return v["bytesValue"]
    return None


def attributes(pairs):
    return {p["key"]: value(p.get("value", {})) for p in pairs}


class Span:
    """One span with the resource and scope it came in."""

    def __init__(self, raw, resource, scope, where=""):
        self.raw, self.resource, self.scope, self.where = raw, resource, scope, where
        self.trace = raw.get("traceId", "").lower()
        self.id = raw.get("spanId", "").lower()
        self.parent = raw.get("parentSpanId", "").lower()
        self.name = raw.get("name", "")
        self.kind = raw.get("kind", 0)
        self.start = int(raw.get("startTimeUnixNano", 0))
        self.end = int(raw.get("endTimeUnixNano", 0))
        self.flags = raw.get("flags", 0)
        self.attr = attributes(raw.get("attributes", []))
        self.status = raw.get("status", {}).get("code", 0)
        self.service = resource.get("service.name", "")
        self.pid = resource.get("process.pid")

    @property
    def remote(self):
        return bool(self.flags & FLAG_IS_REMOTE)

    @property
    def path(self):
        """The path of the request, for server and client spans alike; '' without one."""
        if "url.path" in self.attr:
            return self.attr["url.path"]
        full = self.attr.get("url.full", "")
        rest = full.split("://", 1)[-1]
        slash = rest.find("/")
        return rest[slash:].split("?", 1)[0].split("#", 1)[0] if slash >= 0 else ""

    @property
    def work_id(self):
        """<id> of a path /w/<id>[/...], else None."""
        parts = self.path.split("/")
        return parts[2] if len(parts) > 2 and parts[0] == "" and parts[1] == "w" else None

    def __str__(self):
        return "%s %s %r of %s pid %s (trace %s, parent %s)" % (
            {2: "server", 3: "client"}.get(self.kind, "kind %s" % self.kind), self.id,
            self.name + " " + self.path, self.service, self.pid, self.trace[:8],
            self.parent or "none")


def parse(text, name="spans"):
    """Every span of the lines; BadLine names the first line that is not OTLP JSON."""
    out = []
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            for rs in data["resourceSpans"]:
                resource = attributes(rs.get("resource", {}).get("attributes", []))
                for ss in rs.get("scopeSpans", []):
                    scope = ss.get("scope", {})
                    for raw in ss.get("spans", []):
                        out.append(Span(raw, resource, scope, "%s:%d" % (name, n)))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise BadLine("%s:%d: not a line of OTLP JSON: %r" % (name, n, e)) from e
    return out


def load(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        return parse(f.read(), path)
