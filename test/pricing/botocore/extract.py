"""Prints, as JSON, what botocore's models say about the operations we use: names, members, types, limits. `model.json` is its output."""

import json

import botocore
import botocore.session

OPERATIONS = {
    "bcm-pricing-calculator": [
        "CreateWorkloadEstimate",
        "BatchCreateWorkloadEstimateUsage",
        "GetWorkloadEstimate",
        "ListWorkloadEstimateUsage",
        "ListWorkloadEstimates",
        "DeleteWorkloadEstimate",
    ],
    "pricing": ["GetProducts"],
    "ce": ["GetCostForecast"],
}

session = botocore.session.get_session()


def described(shape, shapes):
    """The shape's name; what it is goes into `shapes`, once."""
    if shape is None:
        return None
    if shape.name not in shapes:
        facts = {"type": shape.type_name}
        shapes[shape.name] = facts
        limits = {name: shape.metadata[name] for name in ("min", "max", "pattern") if name in shape.metadata}
        if getattr(shape, "enum", None):
            limits["enum"] = list(shape.enum)
        facts.update(limits)
        if shape.type_name == "structure":
            facts["required"] = sorted(shape.required_members)
            facts["members"] = {name: described(member, shapes) for name, member in shape.members.items()}
        elif shape.type_name == "list":
            facts["member"] = described(shape.member, shapes)
        elif shape.type_name == "map":
            facts["member"] = described(shape.value, shapes)
    return shape.name


def service(name, operations):
    model = session.get_service_model(name)
    client = session.create_client(name, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    shapes = {}
    told = {}
    for each in operations:
        operation = model.operation_model(each)
        told[each] = {
            "method": operation.http["method"],
            "path": operation.http["requestUri"],
            "input": described(operation.input_shape, shapes),
            "output": described(operation.output_shape, shapes),
        }
    return {
        "service": name,
        "version": model.metadata["apiVersion"],
        # By the rules that the client asks for each request; `client.meta.endpoint_url` is the older guess.
        "endpoint": client._ruleset_resolver.construct_endpoint(
            operation_model=model.operation_model(operations[0]), call_args={}, request_context={}
        ).url,
        "signingName": model.signing_name,
        "jsonVersion": model.metadata["jsonVersion"],
        "operations": told,
        "shapes": {key: shapes[key] for key in sorted(shapes)},
    }


print(
    json.dumps(
        {
            "source": "service models of botocore (https://github.com/boto/botocore, Apache-2.0)",
            "botocore": botocore.__version__,
            "services": {
                session.get_service_model(name).metadata["targetPrefix"]: service(name, operations)
                for name, operations in OPERATIONS.items()
            },
        },
        indent=1,
    )
)
