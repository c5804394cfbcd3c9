#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/show.hpp"
#include "tests/unit/config/fixture.hpp"

namespace spanferry::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using uploader::Kind;

std::expected<Loaded, std::vector<std::string>> load_with(Environment environment, std::string file = "") {
  TestMachine machine;
  machine.environment = std::move(environment);
  if (!file.empty()) {
    machine.files["f.yaml"] = std::move(file);
    machine.file = "f.yaml";
  }
  return machine.load();
}

TEST(Precedence, IsFlagThenEnvironmentThenFileThenDefault) {
  TestMachine machine;
  EXPECT_EQ(shown(*machine.load(), "log.level")->origin, "default");
  machine.file = "f.yaml";
  machine.files["f.yaml"] = "\nlog: {level: warn}\n";
  EXPECT_EQ(machine.load()->settings.log_level, "warn");
  EXPECT_EQ(shown(*machine.load(), "log.level")->origin, "f.yaml:2");
  machine.environment["SPANFERRY_LOG_LEVEL"] = "error";
  EXPECT_EQ(machine.load()->settings.log_level, "error");
  EXPECT_EQ(shown(*machine.load(), "log.level")->origin, "environment SPANFERRY_LOG_LEVEL");
  machine.flags = {{"log.level", "debug", "--log-level"}};
  EXPECT_EQ(machine.load()->settings.log_level, "debug");
  EXPECT_EQ(shown(*machine.load(), "log.level")->origin, "flag --log-level");
}

TEST(Precedence, HidesNoProblemOfWhatIsOverridden) {
  EXPECT_THAT(load_with({{"SPANFERRY_LOG_LEVEL", "info"}}, "log: {level: loud}").error(),
              ElementsAre(HasSubstr("f.yaml:1:14: log.level: 'loud'")));
}

TEST(Flags, MakeAListWhenRepeated) {
  TestMachine machine;
  machine.flags = {{"listen.http", "127.0.0.1:0", "--http"}, {"listen.http", "[::1]:0", "--http"}};
  EXPECT_THAT(machine.load()->settings.ingest.http, ElementsAre("127.0.0.1:0", "[::1]:0"));
}

TEST(Flags, OfUnknownKeysAreErrors) {
  TestMachine machine;
  machine.flags = {{"spool.dir", "/x", "--set"}, {"log.levle", "info", "--set"}};
  EXPECT_THAT(machine.load().error(),
              ElementsAre(HasSubstr("flag --set: spool.dir: unknown key"),
                          "flag --set: log.levle: unknown key (nearest known key: log.level)"));
}

TEST(OwnVariables, SetKeysAndLists) {
  const auto loaded = load_with({{"SPANFERRY_SPOOL_MAX_BYTES", "1GiB"},
                                 {"SPANFERRY_LISTEN_HTTP", "127.0.0.1:0, [::1]:0"},
                                 {"SPANFERRY_LISTEN_UDP", "off"},
                                 {"SPANFERRY_LISTEN_ALLOWED_HOSTS", "a.example,b.example"}});
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_EQ(loaded->settings.spool.max_bytes, 1ULL << 30);
  EXPECT_THAT(loaded->settings.ingest.http, ElementsAre("127.0.0.1:0", "[::1]:0"));
  EXPECT_THAT(loaded->settings.ingest.udp, IsEmpty());
  EXPECT_THAT(loaded->settings.ingest.allowed_hosts, ElementsAre("a.example", "b.example"));
}

TEST(OwnVariables, TakeOneAddressInBracketsAsItIs) {
  EXPECT_THAT(load_with({{"SPANFERRY_LISTEN_HTTP", "[::1]:4318"}})->settings.ingest.http,
              ElementsAre("[::1]:4318"));
}

TEST(OwnVariables, ThatAreUnknownAreErrorsButNotThoseOfKubernetes) {
  EXPECT_THAT(load_with({{"SPANFERRY_SPOOL_MAXBYTES", "1"},
                         {"SPANFERRY_SERVICE_HOST", "10.0.0.1"},
                         {"SPANFERRY_SERVICE_PORT", "4318"},
                         {"SPANFERRY_SERVICE_PORT_OTLP_HTTP", "4318"},
                         {"SPANFERRY_PORT", "tcp://10.0.0.1:4318"},
                         {"SPANFERRY_PORT_4318_TCP_ADDR", "10.0.0.1"},
                         {"SPANFERRY_GATEWAY_SERVICE_HOST", "10.0.0.2"}})
                  .error(),
              ElementsAre("environment SPANFERRY_SPOOL_MAXBYTES: unknown variable (nearest known name: "
                          "SPANFERRY_SPOOL_MAX_BYTES)"));
}

TEST(OwnVariables, ThatAreEmptyCountAsUnset) {
  const auto loaded =
      load_with({{"SPANFERRY_LISTEN_HTTP", ""}, {"SPANFERRY_NONSENSE", ""}, {"DATABRICKS_HOST", ""}});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->settings.ingest.http, SizeIs(2));
}

TEST(EnvironmentDestination, IsDatabricksByTheGuidesVariables) {
  const auto loaded = load_with({{"MLFLOW_TRACKING_URI", "databricks"},
                                 {"DATABRICKS_HOST", "w.cloud.databricks.com"},
                                 {"DATABRICKS_TOKEN", "planted"},
                                 {"MLFLOW_TRACING_SQL_WAREHOUSE_ID", "0a1b"},
                                 {"MLFLOW_EXPERIMENT_NAME", "/Shared/a"}});
  ASSERT_TRUE(loaded) << loaded.error().front();
  ASSERT_THAT(loaded->settings.uploader.destinations, SizeIs(1));
  const auto& d = loaded->settings.uploader.destinations[0];
  EXPECT_EQ(d.sql_warehouse_id, "0a1b");
  EXPECT_EQ(d.name, "env");
  EXPECT_EQ(d.kind, Kind::databricks);
  EXPECT_EQ(d.url, "https://w.cloud.databricks.com");
  EXPECT_EQ(d.token.value, "planted");
  EXPECT_EQ(d.experiment, "/Shared/a");
  EXPECT_FALSE(loaded->settings.spool.local_only);
  EXPECT_EQ(shown(*loaded, "destination env.token")->origin, "environment DATABRICKS_TOKEN");
  EXPECT_THAT(to_text(*loaded), Not(HasSubstr("planted")));
}

TEST(EnvironmentDestination, IsDatabricksByItsHostAlone) {
  const auto loaded = load_with({{"DATABRICKS_HOST", "https://w/"}, {"DATABRICKS_TOKEN_FILE", "/t"}});
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_EQ(loaded->settings.uploader.destinations[0].kind, Kind::databricks);
  EXPECT_EQ(loaded->settings.uploader.destinations[0].token.file, "/t");
}

TEST(EnvironmentDestination, IsMlflowByItsAddress) {
  const auto loaded = load_with({{"MLFLOW_TRACKING_URI", "http://127.0.0.1:5000"},
                                 {"MLFLOW_TRACKING_USERNAME", "u"},
                                 {"MLFLOW_TRACKING_PASSWORD_FILE", "/p"},
                                 {"MLFLOW_EXPERIMENT_ID", "4"},
                                 {"MLFLOW_EXPERIMENT_NAME", "x"},
                                 {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere:4318"}});
  ASSERT_TRUE(loaded) << loaded.error().front();
  const auto& d = loaded->settings.uploader.destinations[0];
  EXPECT_EQ(d.kind, Kind::mlflow);
  EXPECT_EQ(d.username, "u");
  EXPECT_EQ(d.password.file, "/p");
  EXPECT_EQ(d.experiment_id, "4");
  EXPECT_EQ(d.experiment, "");
  EXPECT_THAT(loaded->notices, ElementsAre(HasSubstr("MLFLOW_EXPERIMENT_NAME is not used")));
}

TEST(EnvironmentDestination, IsOtlpWhenNoMlflowIsNamed) {
  const auto loaded = load_with({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example"},
                                 {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x = y=z"}});
  ASSERT_TRUE(loaded) << loaded.error().front();
  const auto& d = loaded->settings.uploader.destinations[0];
  EXPECT_EQ(d.kind, Kind::otlp);
  EXPECT_THAT(d.headers, ElementsAre(Pair("api-key", "a b"), Pair("x", "y=z")));
}

TEST(EnvironmentDestination, TakesTheHeadersOfOtlpFromAFileToo) {
  const auto loaded = load_with({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example"},
                                 {"OTEL_EXPORTER_OTLP_HEADERS_FILE", "/run/secrets/headers"}});
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_EQ(loaded->settings.uploader.destinations[0].headers_file, "/run/secrets/headers");
  const auto both = load_with({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example"},
                               {"OTEL_EXPORTER_OTLP_HEADERS", "a=planted"},
                               {"OTEL_EXPORTER_OTLP_HEADERS_FILE", "/run/secrets/headers"}});
  ASSERT_FALSE(both);
  EXPECT_THAT(both.error(), ElementsAre(testing::HasSubstr("not both")));
  const auto none = load_with(
      {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example"}, {"OTEL_EXPORTER_OTLP_HEADERS", "planted"}});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error(), ElementsAre(testing::HasSubstr("NAME=VALUE")));
  EXPECT_THAT(none.error(), testing::Not(ElementsAre(testing::HasSubstr("planted"))));
}

TEST(EnvironmentDestination, SaysWhatDatabricksStillNeeds) {
  EXPECT_THAT(load_with({{"MLFLOW_TRACKING_URI", "databricks"}}).error(),
              ElementsAre(HasSubstr("DATABRICKS_HOST"), HasSubstr("DATABRICKS_TOKEN")));
}

TEST(EnvironmentDestination, RefusesTrackingUrisOfOtherKinds) {
  for (const auto* uri : {"sqlite:///mlflow.db", "./mlruns", "file:/x"})
    EXPECT_THAT(load_with({{"MLFLOW_TRACKING_URI", uri}}).error(),
                ElementsAre(HasSubstr("environment MLFLOW_TRACKING_URI: must be `databricks`")));
}

TEST(EnvironmentDestination, IsIgnoredWithOneLineWhenTheFileListsDestinations) {
  const auto loaded = load_with({{"MLFLOW_TRACKING_URI", "databricks"}, {"DATABRICKS_CLIENT_ID", "x"}},
                                "destinations: [{name: o, kind: otlp, url: http://localhost}]");
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_THAT(loaded->settings.uploader.destinations, SizeIs(1));
  EXPECT_THAT(loaded->notices,
              ElementsAre("MLFLOW_TRACKING_URI, DATABRICKS_CLIENT_ID is ignored: f.yaml lists destinations"));
}

TEST(Context, ComesFromTheAppsVariablesUnderOurOwn) {
  const auto loaded = load_with({{"APP_VERSION", "1"},
                                 {"REGION", "eu"},
                                 {"ENVIRONMENT", "prod"},
                                 {"DEPLOYMENT_ID", "d"},
                                 {"SPANFERRY_CONTEXT_REGION", "us"}},
                                "context: {app_version: \"0\", team: a}");
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_THAT(loaded->settings.uploader.context,
              ElementsAre(Pair("app_version", "1"), Pair("deployment_id", "d"), Pair("environment", "prod"),
                          Pair("region", "us"), Pair("team", "a")));
  EXPECT_EQ(shown(*loaded, "context.app_version")->origin, "environment APP_VERSION");
}

}  // namespace
}  // namespace spanferry::config
