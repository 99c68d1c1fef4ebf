"""JSON Schemas of the custom resources of deploy/helm/atoll: the fields that the chart sets, and no others.

Kubernetes has no schemas of them. These are written after the documentation of each operator, so they find a
slip in a template, and not a change of an operator.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
COUNT: Schema = {"type": "integer", "minimum": 1}
SIZE: Schema = {"type": "string", "pattern": "^[0-9]+[KMGT]i$"}
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}


def exactly(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(properties),
    }


def resource(api_version: str, kind: str, spec: Schema) -> Schema:
    metadata: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"name": TEXT, "labels": LABELS},
        "required": ["name"],
    }
    return exactly(apiVersion={"const": api_version}, kind={"const": kind}, metadata=metadata, spec=spec)


def array(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


SCHEMAS: dict[str, Schema] = {
    "ScaledObject": resource(
        "keda.sh/v1alpha1",
        "ScaledObject",
        exactly(
            scaleTargetRef=exactly(name=TEXT),
            minReplicaCount=COUNT,
            maxReplicaCount=COUNT,
            triggers=array(
                exactly(
                    type={"const": "prometheus"},
                    # KEDA reads texts here, also for numbers.
                    metadata=exactly(serverAddress=TEXT, query=TEXT, threshold=TEXT),
                )
            ),
        ),
    ),
    "ServiceMonitor": resource(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        exactly(
            jobLabel=TEXT,
            selector=exactly(matchLabels=LABELS),
            endpoints=array(exactly(port=TEXT, path=TEXT, interval=TEXT)),
        ),
    ),
    "ExternalSecret": resource(
        "external-secrets.io/v1",
        "ExternalSecret",
        exactly(
            refreshInterval=TEXT,
            secretStoreRef=exactly(name=TEXT, kind={"enum": ["SecretStore", "ClusterSecretStore"]}),
            target=exactly(name=TEXT),
            data=array(exactly(secretKey=TEXT, remoteRef=exactly(key=TEXT, property=TEXT))),
        ),
    ),
    "Cluster": resource(
        "postgresql.cnpg.io/v1",
        "Cluster",
        {
            **exactly(
                instances=COUNT,
                storage=exactly(size=SIZE),
                bootstrap=exactly(initdb=exactly(database=TEXT, owner=TEXT)),
                postgresql=exactly(parameters=exactly(max_connections=TEXT)),
            ),
            "required": ["instances", "storage", "bootstrap"],
        },
    ),
    "RabbitmqCluster": resource(
        "rabbitmq.com/v1beta1",
        "RabbitmqCluster",
        exactly(replicas=COUNT, persistence=exactly(storage=SIZE)),
    ),
}
