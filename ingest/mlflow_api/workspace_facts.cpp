// What a client that believes it talks to a workspace asks before it does. CONTRACT 2.1.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"

namespace spanferry::ingest {
namespace {

std::string here(const Call& call) { return fmt::format("http://{}", call.host); }

}  // namespace

void tell_workspace(Api& /*api*/, const Call& call, Reply reply) {
  auto answer = json_answer("");
  JsonWriter(answer.body)
      .begin_object()
      .field("oidc_endpoint", here(call) + "/oidc")
      .field("workspace_id", "0")
      .field("cloud", "aws")
      .end_object();
  reply(std::move(answer));
}

void tell_token_endpoint(Api& /*api*/, const Call& call, Reply reply) {
  auto answer = json_answer("");
  JsonWriter(answer.body)
      .begin_object()
      .field("issuer", here(call) + "/oidc")
      .field("authorization_endpoint", here(call) + "/oidc/v1/authorize")
      .field("token_endpoint", here(call) + "/oidc/v1/token")
      .end_object();
  reply(std::move(answer));
}

// Callers on this host need no token: any will do. (Where there is a token_file it is what apps present, and
// nobody comes as far as this without it.)
void give_token(Api& /*api*/, const Call& /*call*/, Reply reply) {
  reply(json_answer(
      R"({"access_token":"no-token-is-needed-here","token_type":"Bearer","expires_in":3600,"scope":"all-apis"})"));
}

}  // namespace spanferry::ingest
