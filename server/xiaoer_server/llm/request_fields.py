"""Names of the fields in requests to /v1: OpenAI's own, and those that would steer the upstream's client.

OpenAI's are those of `openai` 3.54 (`types/chat/completion_create_params.py`, `types/embedding_create_params.py`,
`types/moderation_create_params.py`; Apache-2.0). The others are options of the client in OpenAI's SDKs and the call
parameters that LiteLLM (MIT, `litellm/types/utils.py`, `all_litellm_params`, and its documentation of providers)
takes from a request's body: an address, a key, headers, another account. They are lists of facts; no code is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadRequest


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHAT = _names(
    """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages
    metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier
    stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
    web_search_options
    """
)
EMBEDDINGS = _names("dimensions encoding_format input model user")
MODERATION = _names("input model")

MESSAGE = _names("audio content function_call name reasoning_content refusal role tool_call_id tool_calls")
STREAM_OPTIONS = _names("include_obfuscation include_usage")
PART = _names("cache_control file image_url input_audio refusal text type")

#: What never comes from a caller: where a request goes, with whose key, through what, and how often.
CONTROL = _names(
    """
    additional_drop_params allowed_openai_params api_base api_key api_type api_version authorization
    aws_access_key_id aws_bedrock_runtime_endpoint aws_profile_name aws_region_name aws_role_name
    aws_secret_access_key aws_session_name aws_session_token aws_sts_endpoint aws_web_identity_token azure
    azure_ad_token azure_ad_token_provider azure_deployment azure_endpoint azure_password azure_username base_model
    base_url base_urls cache caching client client_id client_secret complete_response
    configurable_clientside_auth_params context_window_fallback_dict custom_llm_provider default_headers default_query
    deployment_id drop_params
    extra_body extra_headers extra_query fallbacks force_timeout headers http_client input_cost_per_second
    input_cost_per_token logger_fn max_retries mock_response mock_timeout mock_tool_calls model_info model_list no-log
    num_retries organization output_cost_per_second output_cost_per_token preset_cache_key project
    provider_specific_header proxies proxy proxy_server_request region_name request_timeout retry_policy
    retry_strategy s3_callback_params secret_fields ssl_verify stream_timeout tenant_id timeout use_client
    use_in_pass_through use_litellm_proxy user_config vertex_ai_credentials vertex_ai_location vertex_ai_project
    vertex_credentials vertex_location vertex_project watsonx_region_name websocket_base_url
    """
)

_PREFIXES = ("litellm_", "langfuse_", "langsmith_", "vertex_", "aws_", "azure_")


def check_names(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse fields that steer the upstream's client, and known ones in another spelling.

    Some upstreams match names without regard to case and let the last one count: with `Model` or `Messages` beside
    the fields that were checked, another model would be asked or unfiltered words said. Other unknown fields pass.

    Raises:
        BadRequest: unsupported_parameter.
    """
    if fields.keys() <= known:
        return
    for name in fields:
        if name in known:
            continue
        folded = name.casefold()
        plain = folded.replace("-", "_")
        if folded in known:
            message = f"Unsupported parameter: {name!r:.100}. Did you mean '{folded}'?"
        elif folded in CONTROL or plain in CONTROL or plain.startswith(_PREFIXES):
            message = f"Unsupported parameter: '{name[:100]}'. Where and how a model is asked is set on the server."
        else:
            continue
        raise BadRequest(message, code="unsupported_parameter", param=name[:100])


def check_spelling(fields: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    """The same for objects further inside, where only other spellings of known names are refused.

    Raises:
        BadRequest: unsupported_parameter.
    """
    if fields.keys() <= known:
        return
    for name in fields:
        if name not in known and name.casefold() in known:
            message = f"Unsupported parameter: {name!r:.100} in '{where}'. Did you mean '{name.casefold()}'?"
            raise BadRequest(message, code="unsupported_parameter", param=f"{where}.{name[:100]}")
