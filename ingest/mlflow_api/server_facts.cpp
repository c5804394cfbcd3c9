// What a client asks about the server before it sends anything. CONTRACT 1.4.
#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"

namespace spanferry::ingest {
namespace {

// The MLflow server whose API we speak. Clients send spans by OTLP to 3.4 and later only.
constexpr std::string_view kMlflowVersion = "3.17.2";

Response text_answer(std::string_view text) {
  return {.content_type = "text/plain", .body = std::string(text)};
}

}  // namespace

void tell_version(Api& /*api*/, const Call& /*call*/, Reply reply) { reply(text_answer(kMlflowVersion)); }

void tell_health(Api& /*api*/, const Call& /*call*/, Reply reply) { reply(text_answer("OK")); }

void tell_server_info(Api& /*api*/, const Call& /*call*/, Reply reply) {
  reply(json_answer(R"({"store_type":"SqlStore","workspaces_enabled":false})"));
}

}  // namespace spanferry::ingest
