"""What schemathesis must know about Chorus and OpenAPI can't say."""

import itertools
import os

import requests
import schemathesis

URL = os.environ["CHORUS_URL"]
# These calls end their sign-in, or change the password: each gets a person of its own.
ENDS = ("/logout", "/password")
numbers = itertools.count()


def sign_in():
    person = {"username": f"tester_{next(numbers)}", "password": "correct horse"}
    requests.post(f"{URL}/register", json=person, timeout=5)
    return requests.post(f"{URL}/login", json=person, timeout=5).json()["token"]


@schemathesis.auth()
class SignIn:
    def get(self, case, context):
        return sign_in()

    def set(self, case, data, context):
        token = sign_in() if case.operation.path in ENDS else data
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@schemathesis.hook
def before_call(context, case, **kwargs):
    query = case.query or {}
    # Only one of them may be given.
    if "before" in query and "after" in query:
        del query["before"]
    # The header and the body's id are one id.
    if isinstance(case.body, dict) and "id" in case.body and case.headers:
        for name in [name for name in case.headers if name.lower() == "idempotency-key"]:
            del case.headers[name]
