"""Keeps answers short: what is tried are requests, not the model."""
import schemathesis

MOST = 2
FIELDS = {
    "/v1/chat/completions": "max_tokens",
    "/v1/completions": "max_tokens",
    "/v1/responses": "max_output_tokens",
}


def cap(fields, name):
    if isinstance(fields.get(name), (int, float)) and fields[name] > MOST:
        fields[name] = MOST


@schemathesis.hook
def before_call(context, case, kwargs):
    path, body = case.operation.path, case.body
    if not isinstance(body, dict):
        return
    if path in FIELDS and body.get(FIELDS[path]) is None:
        body[FIELDS[path]] = MOST
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of"):
        cap(body, name)
    if path in ("/api/chat", "/api/generate"):
        if body.get("options") is None:
            body["options"] = {}
        options = body["options"]
        if isinstance(options, dict):
            if options.get("num_predict") in (None, 0, -1, -2):
                options["num_predict"] = MOST
            cap(options, "num_predict")
