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

TEST(Destinations, AreLocalAloneWhenNobodyNamesAny) {
  const auto loaded = load_text("");
  ASSERT_THAT(loaded->settings.uploader.destinations, SizeIs(1));
  EXPECT_EQ(loaded->settings.uploader.destinations[0].kind, Kind::local);
  EXPECT_TRUE(loaded->settings.spool.local_only);
  EXPECT_EQ(loaded->settings.spool.retain_bytes, 2ULL << 30);
  EXPECT_EQ(loaded->settings.spool.retain_age, std::chrono::days(30));
}

TEST(Destinations, TheMlflowApiSpeaksForOneThatIsThere) {
  const std::string list =
      "destinations: [{name: sink, kind: otlp, url: 'http://x.example'}, "
      "{name: server, kind: mlflow, url: 'http://y.example'}]\n";
  EXPECT_EQ(load_text(list + "mlflow_api: {destination: server}")->settings.ingest.mlflow_api.destination,
            "server");
  EXPECT_FALSE(load_text(list + "mlflow_api: {mode: 'off'}")->settings.ingest.mlflow_api.served);
  for (const std::string name : {"sink", "nobody"})
    EXPECT_THAT(problems_of(list + "mlflow_api: {destination: " + name + "}"),
                ElementsAre(HasSubstr("there is no destination `" + name + "`")));
}

TEST(Destinations, AreReadWithAllTheirKeys) {
  const auto loaded = load_text(R"(
destinations:
  - name: workspace
    kind: databricks
    url: https://w.example/
    token_file: /run/t
    experiment: /Shared/a
    create_experiment: false
    max_batch_bytes: 64KiB
    concurrency: 2
    from: oldest
    assemble: {quiet: 1s, max_open: 5min}
    ca_file: /ca.pem
    client_certificate: /me.pem
    client_key: /me.key
  - name: m
    kind: mlflow
    url: http://127.0.0.1:5000
    username: u
    password: p
    experiment_id: "3"
  - {name: o, kind: otlp, url: "https://o.example/x", headers: {api-key: k1, x-a: b}, compression: none}
)");
  ASSERT_TRUE(loaded) << loaded.error().front();
  const auto& d = loaded->settings.uploader.destinations;
  ASSERT_THAT(d, SizeIs(3));
  EXPECT_EQ(d[0].kind, Kind::databricks);
  EXPECT_EQ(d[0].url, "https://w.example");
  EXPECT_EQ(d[0].token.file, "/run/t");
  EXPECT_EQ(d[0].experiment, "/Shared/a");
  EXPECT_FALSE(d[0].create_experiment);
  EXPECT_EQ(d[0].max_batch_bytes, 65536U);
  EXPECT_EQ(d[0].concurrency, 2U);
  EXPECT_EQ(d[0].from, uploader::From::oldest);
  EXPECT_EQ(d[0].assemble.quiet, std::chrono::seconds(1));
  EXPECT_EQ(d[0].assemble.max_open, std::chrono::minutes(5));
  EXPECT_EQ(d[0].ca_file, "/ca.pem");
  EXPECT_EQ(d[0].client_certificate, "/me.pem");
  EXPECT_EQ(d[0].client_key, "/me.key");
  EXPECT_EQ(d[1].username, "u");
  EXPECT_EQ(d[1].password.value, "p");
  EXPECT_EQ(d[1].experiment_id, "3");
  EXPECT_THAT(d[2].headers, ElementsAre(Pair("api-key", "k1"), Pair("x-a", "b")));
  EXPECT_EQ(d[2].compression, "none");
  EXPECT_FALSE(loaded->settings.spool.local_only);
  EXPECT_EQ(loaded->settings.spool.retain_bytes, 16ULL << 20);
  EXPECT_THAT(loaded->notices, IsEmpty());
}

TEST(Destinations, TellWhatIsMissingOrContradictsItself) {
  EXPECT_THAT(
      problems_of("destinations:\n"
                  "  - kind: databricks\n"
                  "  - {name: a, kind: mlflow, url: http://h, token: x, token_file: /y}\n"
                  "  - {name: b, kind: mlflow, url: http://h, username: u}\n"
                  "  - {name: c, kind: otlp, url: http://h, experiment: e}\n"
                  "  - {name: d}\n"
                  "  - {name: Bad Name, kind: carrier-pigeon}\n"),
      ElementsAre(
          "f.yaml:2:5: destinations[0]: `name` is missing", "f.yaml:2:5: destinations[0]: `url` is missing",
          HasSubstr("f.yaml:2:5: destinations[0]: a credential is missing: `token_file`"),
          "f.yaml:3:5: destinations[1]: set one of token and token_file, not both",
          "f.yaml:4:5: destinations[2]: username needs password or password_file",
          "f.yaml:5:54: destinations[3].experiment: has no meaning for kind otlp",
          HasSubstr("destinations[4]: `kind` is missing"),
          HasSubstr("destinations[5].name: must be 1 to 64 of a-z"),
          HasSubstr("destinations[5].kind: 'carrier-pigeon' is none of databricks, mlflow, otlp, local")));
}

TEST(Destinations, MayNameAUnityCatalogLocation) {
  const auto loaded = load_text(
      "destinations:\n"
      "  - {name: a, kind: databricks, url: https://h, token: t, unity_catalog: main.genai.app}\n"
      "  - {name: b, kind: databricks, url: https://h, token: t, unity_catalog: main.genai}\n");
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_EQ(loaded->settings.uploader.destinations[0].unity_catalog, "main.genai.app");
  EXPECT_EQ(loaded->settings.uploader.destinations[1].unity_catalog, "main.genai");
  const auto problems = problems_of(
      "destinations:\n"
      "  - {name: a, kind: databricks, url: https://h, token: t, unity_catalog: main}\n"
      "  - {name: b, kind: databricks, url: https://h, token: t, unity_catalog: a..c}\n"
      "  - {name: c, kind: mlflow, url: https://h, unity_catalog: a.b.c}\n");
  EXPECT_THAT(problems,
              ElementsAre(HasSubstr("destinations[0].unity_catalog: must be catalog.schema.prefix"),
                          HasSubstr("destinations[1].unity_catalog: must be catalog.schema.prefix"),
                          HasSubstr("destinations[2].unity_catalog: has no meaning for kind mlflow")));
}

TEST(Destinations, MayNameAWarehouse) {
  const auto loaded = load_text(
      "destinations: [{name: a, kind: databricks, url: https://h, token: t, sql_warehouse_id: 0a1b}]\n");
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_EQ(loaded->settings.uploader.destinations[0].sql_warehouse_id, "0a1b");
  EXPECT_THAT(
      problems_of("destinations:\n"
                  "  - {name: a, kind: databricks, url: https://h, token: t, sql_warehouse_id: /sql/0a1b}\n"),
      ElementsAre(HasSubstr("destinations[0].sql_warehouse_id: must be the warehouse's id")));
}

TEST(Destinations, AreWaitedForIfTheyAreTheFirstOrSaySo) {
  const auto loaded = load_text(
      "destinations:\n"
      "  - {name: view, kind: local}\n"
      "  - {name: a, kind: otlp, url: http://127.0.0.1}\n"
      "  - {name: b, kind: otlp, url: http://127.0.0.1}\n"
      "  - {name: c, kind: otlp, url: http://127.0.0.1, when_behind: block}\n"
      "  - {name: d, kind: otlp, url: http://127.0.0.1, max_lag_bytes: 1GiB}\n");
  ASSERT_TRUE(loaded) << loaded.error().front();
  const auto& d = loaded->settings.uploader.destinations;
  using uploader::WhenBehind;
  EXPECT_EQ(d[1].when_behind, WhenBehind::block);
  EXPECT_EQ(d[2].when_behind, WhenBehind::drop);
  EXPECT_EQ(d[3].when_behind, WhenBehind::block);
  EXPECT_EQ(d[4].max_lag_bytes, 1ULL << 30);
  EXPECT_THAT(problems_of("destinations: [{name: a, kind: otlp, url: \"http://h\", max_lag_bytes: 1GiB}]"),
              ElementsAre(HasSubstr("max_lag_bytes: has no meaning with when_behind: block")));
}

TEST(Destinations, HaveNamesOfTheirOwn) {
  EXPECT_THAT(problems_of("destinations:\n"
                          "  - {name: a, kind: otlp, url: http://h}\n"
                          "  - {name: a, kind: otlp, url: http://i}\n"),
              ElementsAre("f.yaml:3:5: destinations[1].name: 'a' is taken by another destination"));
}

TEST(Destinations, RefuseUrlsThatHideThings) {
  for (const auto* url :
       {"ftp://h", "h:80", "http://", "http://:80", "http://u:p@h", "http://h?x=1", "http://h/ x"}) {
    const auto problems =
        problems_of("destinations: [{name: a, kind: otlp, url: \"" + std::string(url) + "\"}]");
    ASSERT_THAT(problems, SizeIs(1)) << url;
    EXPECT_THAT(problems[0], Not(HasSubstr("u:p"))) << "a password must not be told";
  }
}

TEST(Destinations, WarnOfACredentialOverPlainHttpToAnotherMachineOnly) {
  const auto notices = [](const std::string& url) {
    return load_text("destinations: [{name: a, kind: mlflow, url: \"" + url + "\", token: t}]")->notices;
  };
  EXPECT_THAT(notices("http://mlflow.internal:5000"), ElementsAre(HasSubstr("plain http://")));
  EXPECT_THAT(notices("http://127.0.0.1.example.com"), SizeIs(1)) << "a name that only begins like loopback";
  EXPECT_THAT(notices("https://mlflow.internal"), IsEmpty());
  EXPECT_THAT(notices("http://127.0.0.1:5000"), IsEmpty());
  EXPECT_THAT(notices("http://[::1]:5000/x"), IsEmpty());
  EXPECT_THAT(notices("http://localhost"), IsEmpty());
}

TEST(Destinations, NeverShowASecret) {
  const auto loaded = load_text(R"(
destinations:
  - {name: a, kind: mlflow, url: http://localhost, token: planted-1}
  - {name: b, kind: mlflow, url: http://localhost, username: u, password: planted-2}
  - {name: c, kind: otlp, url: http://localhost, headers: {authorization: planted-3}}
)");
  ASSERT_TRUE(loaded);
  EXPECT_THAT(to_text(*loaded), Not(HasSubstr("planted")));
  EXPECT_THAT(to_json(*loaded), Not(HasSubstr("planted")));
  EXPECT_EQ(shown(*loaded, "destinations[0].token")->value, "(secret)");
  EXPECT_EQ(shown(*loaded, "destinations[0].token")->origin, "f.yaml:3");
}

}  // namespace
}  // namespace spanferry::config
