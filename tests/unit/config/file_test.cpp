#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/fixture.hpp"

namespace spanferry::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(File, SetsEveryKindOfValue) {
  const auto loaded = load_text(R"(
listen:
  http: 127.0.0.1:5000
  udp: ""
  max_body_bytes: 1MiB
  max_connections: 7
spool:
  directory: /data
  durability: interval:20ms
  max_bytes: 1GB
  max_age: 30d
  when_full: drop_oldest
  retain: {bytes: 1KiB, age: 2h}
drain: {timeout: 500ms}
log: {level: debug, format: json}
)");
  ASSERT_TRUE(loaded) << loaded.error().front();
  const auto& s = loaded->settings;
  EXPECT_THAT(s.ingest.http, ElementsAre("127.0.0.1:5000"));
  EXPECT_THAT(s.ingest.udp, IsEmpty());
  EXPECT_EQ(s.ingest.max_body_bytes, 1ULL << 20);
  EXPECT_EQ(s.ingest.max_connections, 7U);
  EXPECT_EQ(s.spool.directory, "/data");
  EXPECT_EQ(s.spool.durability, spool::Durability::interval);
  EXPECT_EQ(s.spool.sync_interval, std::chrono::milliseconds(20));
  EXPECT_EQ(s.spool.max_bytes, 1'000'000'000U);
  EXPECT_EQ(s.spool.max_age, std::chrono::days(30));
  EXPECT_EQ(s.spool.when_full, spool::WhenFull::drop_oldest);
  EXPECT_EQ(s.spool.retain_bytes, 1024U);
  EXPECT_EQ(s.spool.retain_age, std::chrono::hours(2));
  EXPECT_EQ(s.drain_timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(s.log_level, "debug");
  EXPECT_EQ(s.log_format, LogFormat::json);
}

TEST(File, TellsEveryProblemAtOnceWithLineColumnAndTheNearestKey) {
  EXPECT_THAT(
      problems_of("listen:\n"
                  "  htpp: 127.0.0.1:1\n"
                  "  max_body_bytes: lots\n"
                  "spool:\n"
                  "  max_bytes: 1MiB\n"
                  "  when_full: panic\n"
                  "bogus_thing: 1\n"),
      ElementsAre("f.yaml:2:3: listen.htpp: unknown key (nearest known key: listen.http)",
                  "f.yaml:7:1: bogus_thing: unknown key",
                  "f.yaml:3:19: listen.max_body_bytes: 'lots' is not a size; write it like 64MiB, 1GB or 0",
                  "f.yaml:5:14: spool.max_bytes: must be at least 96MiB",
                  "f.yaml:6:14: spool.when_full: 'panic' is none of reject, drop_oldest"));
}

TEST(File, SuggestsTheRightPlaceForAKeyAtTheWrongOne) {
  EXPECT_THAT(problems_of("max_bytes: 1GiB\n"),
              ElementsAre("f.yaml:1:1: max_bytes: unknown key (nearest known key: spool.max_bytes)"));
}

TEST(File, RefusesARepeatedKeyAndSaysWhereItStandsFirst) {
  EXPECT_THAT(problems_of("log:\n  level: info\n  level: debug\n"),
              ElementsAre("f.yaml:3:3: log.level: repeated; it stands first at 2:3"));
  EXPECT_THAT(problems_of("log: {level: info}\nspool: {max_age: 0}\nlog: {level: warn}\n"),
              ElementsAre("f.yaml:3:1: log: repeated; it stands first at 1:1"));
}

TEST(File, RefusesWhatIsNotYamlWithItsPlace) {
  EXPECT_THAT(problems_of("listen:\n  http: [1\nspool: }\n"), ElementsAre(testing::StartsWith("f.yaml:3:")));
  EXPECT_THAT(problems_of("just a text\n"), ElementsAre(HasSubstr("f.yaml:1:1: must be a map")));
  EXPECT_THAT(problems_of("log: {}\n---\nlog: {}\n"), ElementsAre(HasSubstr("a second document")));
}

TEST(File, BoundsWhatAliasesExpandTo) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j ? ", *a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(problems_of(bomb), ElementsAre(HasSubstr("more than 20000 values")));
}

TEST(File, RefusesValuesOfTheWrongShape) {
  EXPECT_THAT(
      problems_of("log: 3\nspool: {directory: [/a, /b], max_bytes: {a: 1}}\nlisten: {http: [{a: 1}]}\n"),
      testing::UnorderedElementsAre("f.yaml:1:6: log: must be a map of keys",
                                    "f.yaml:2:41: spool.max_bytes: takes a value, not a map",
                                    "f.yaml:2:20: spool.directory: takes one value, not a list",
                                    "f.yaml:3:17: listen.http: a list of plain values is expected"));
}

TEST(File, TakesAKeyWithoutAValueAsNotSaid) {
  const auto loaded = load_text("listen:\n  token_file:\nspool:\ndestinations:\nroutes: []\n");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(shown(*loaded, "listen.token_file")->origin, "default");
}

TEST(File, ThatIsEmptySaysNothing) {
  ASSERT_TRUE(load_text(""));
  ASSERT_TRUE(load_text("# only a comment\n"));
}

TEST(File, IsSoughtByFlagThenVariableThenUsualPlace) {
  TestMachine machine;
  EXPECT_EQ(machine.load()->file, "");
  machine.files = {
      {std::string(kUsualFile), "log: {level: warn}"}, {"/e", "log: {level: debug}"}, {"/f", ""}};
  EXPECT_EQ(machine.load()->settings.log_level, "warn");
  machine.environment["SPANFERRY_CONFIG"] = "/e";
  EXPECT_EQ(machine.load()->settings.log_level, "debug");
  machine.file = "/f";
  EXPECT_EQ(machine.load()->file, "/f");
  machine.file = "/gone";
  EXPECT_THAT(machine.load().error(), ElementsAre("/gone cannot be read"));
}

TEST(File, RefusesWiderThanLoopbackWithoutLeave) {
  EXPECT_THAT(problems_of("listen: {http: \"0.0.0.0:4318\"}"),
              ElementsAre(HasSubstr("listen.allow_remote: true")));
  EXPECT_TRUE(load_text("listen: {http: \"0.0.0.0:4318\", allow_remote: true}"));
  EXPECT_TRUE(load_text("listen: {http: \"0.0.0.0:4318\", token_file: /t}"));
}

TEST(File, RefusesAddressesThatAreNone) {
  for (const auto* address : {"4318", "localhost:4318", "127.0.0.1:70000", "127.0.0.1:", "::1:4318"})
    EXPECT_THAT(problems_of(std::string("listen: {http: \"") + address + "\"}"), SizeIs(1)) << address;
}

TEST(File, ReadsRoutesAndContext) {
  const auto loaded = load_text(R"(
routes:
  - match: {resource.service.name: "chat-*", resource.team: a}
    experiment: /Shared/chat
  - match: {resource.x: y}
    experiment_id: "17"
context: {environment: production, my_tag: 5}
)");
  ASSERT_TRUE(loaded) << loaded.error().front();
  const auto& routes = loaded->settings.ingest.routes;
  ASSERT_THAT(routes, SizeIs(2));
  EXPECT_THAT(routes[0].resource,
              ElementsAre(testing::Pair("service.name", "chat-*"), testing::Pair("team", "a")));
  EXPECT_EQ(routes[0].route.experiment_name, "/Shared/chat");
  EXPECT_EQ(routes[1].route.experiment_id, "17");
  EXPECT_THAT(loaded->settings.uploader.context,
              ElementsAre(testing::Pair("environment", "production"), testing::Pair("my_tag", "5")));
}

TEST(File, TellsWhatIsWrongInRoutes) {
  EXPECT_THAT(
      problems_of("routes:\n"
                  "  - match: {service.name: a}\n"
                  "    experiment: x\n"
                  "  - experiment: x\n"
                  "  - match: {resource.a: b}\n"
                  "  - match: {resource.a: b}\n"
                  "    experiment: x\n"
                  "    experimint_id: 3\n"),
      ElementsAre(HasSubstr("f.yaml:2:13: routes[0].match.service.name: must be resource.ATTRIBUTE"),
                  "f.yaml:4:5: routes[1]: `match` is missing",
                  "f.yaml:5:5: routes[2]: needs one of experiment and experiment_id",
                  "f.yaml:8:5: routes[3].experimint_id: unknown key (nearest known key: experiment_id)"));
}

}  // namespace
}  // namespace spanferry::config
