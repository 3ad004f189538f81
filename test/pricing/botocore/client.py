"""Says through botocore, AWS's own Python SDK, what it reads on stdin: a list of [service, operation, input]. Ids are the stand-in's."""

import datetime
import json
import sys

import botocore.session
from botocore.config import Config

endpoint, access_key_id, secret_access_key = sys.argv[1:4]
session = botocore.session.get_session()
config = Config(retries={"max_attempts": 0})
clients = {
    name: session.create_client(
        name,
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=config,
    )
    for name in ("bcm-pricing-calculator", "pricing", "ce")
}

answers = []
made = ""
for service, operation, said in json.load(sys.stdin):
    said.pop("clientToken", None)
    for name in ("identifier", "workloadEstimateId"):
        if name in said:
            said[name] = made
    if "createdAtFilter" in said:
        before = said["createdAtFilter"]["beforeTimestamp"]
        said["createdAtFilter"]["beforeTimestamp"] = datetime.datetime.fromtimestamp(before, datetime.timezone.utc)
    client = clients[service]
    method = next(name for name, of in client.meta.method_to_api_mapping.items() if of == operation)
    answer = getattr(client, method)(**said)
    if operation == "CreateWorkloadEstimate":
        made = answer["id"]
    answer.pop("ResponseMetadata")
    answers.append(answer)
print(json.dumps({"version": botocore.__version__, "answers": answers}, default=str))
