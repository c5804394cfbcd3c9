#include "daemon/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanferry::daemon {
namespace {

using testing::HasSubstr;

std::expected<CommandLine, Finished> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "spanferry");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

TEST(CommandLine, NamesTheCommandAndItsOptions) {
  EXPECT_EQ(parse({"run"})->command, Command::run);
  EXPECT_EQ(parse({"demo"})->command, Command::demo);
  const auto status = parse({"status", "--json", "--address", "127.0.0.1:9"});
  ASSERT_TRUE(status) << status.error().err;
  EXPECT_EQ(status->command, Command::status);
  EXPECT_TRUE(status->json);
  EXPECT_EQ(status->address, "127.0.0.1:9");
  EXPECT_TRUE(parse({"status", "--ready"})->ready);
  EXPECT_TRUE(parse({"status", "--live"})->live);
  EXPECT_FALSE(parse({"status", "--live", "--ready"}));
  EXPECT_EQ(parse({"trace", "tr-1", "--json"})->argument, "tr-1");
  EXPECT_TRUE(parse({"send", "--udp"})->udp);
  EXPECT_EQ(parse({"send", "f.pb"})->argument, "f.pb");
  EXPECT_EQ(parse({"spool", "inspect", "--json"})->command, Command::spool_inspect);
  EXPECT_EQ(parse({"spool", "dead", "list", "--destination", "w"})->destination, "w");
  EXPECT_EQ(parse({"spool", "dead", "show", "w/1/a/b"})->argument, "w/1/a/b");
  EXPECT_EQ(parse({"version"})->command, Command::version);
}

TEST(CommandLine, TakesTheFileBeforeAndAfterTheCommand) {
  EXPECT_EQ(parse({"--config", "f", "run"})->config_file, "f");
  EXPECT_EQ(parse({"run", "--config", "f"})->config_file, "f");
  EXPECT_EQ(parse({"spool", "dead", "list", "--config", "f"})->config_file, "f");
  EXPECT_EQ(parse({"run"})->config_file, std::nullopt);
}

TEST(CommandLine, TurnsFlagsIntoKeys) {
  const auto line = parse({"run", "--set", "spool.max_bytes=1GiB", "--set", "log.format=json", "--http",
                           "127.0.0.1:0", "--http", "[::1]:0", "--directory", "/d"});
  ASSERT_TRUE(line) << line.error().err;
  std::vector<std::string> flags;
  for (const auto& f : line->flags) flags.push_back(f.given_as + " " + f.key + "=" + f.value);
  EXPECT_THAT(flags, testing::ElementsAre("--set spool.max_bytes=1GiB", "--set log.format=json",
                                          "--directory spool.directory=/d", "--http listen.http=127.0.0.1:0",
                                          "--http listen.http=[::1]:0"));
}

TEST(CommandLine, ExitsByTwoWhenItMakesNoSense) {
  for (const std::vector<const char*>& words : {std::vector<const char*>{},
                                                {"no-such-command"},
                                                {"run", "--no-such-flag"},
                                                {"trace"},
                                                {"spool"},
                                                {"spool", "dead"},
                                                {"run", "--set", "x"}}) {
    const auto line = parse(words);
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().code, kUsage);
    EXPECT_FALSE(line.error().err.empty());
  }
}

TEST(CommandLine, ExitsByZeroWhenHelpIsAskedFor) {
  for (const std::vector<const char*>& words : {std::vector<const char*>{"--help"}, {"--version"}}) {
    const auto line = parse(words);
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().code, kFine);
    EXPECT_THAT(line.error().out, HasSubstr("spanferry"));
  }
}

}  // namespace
}  // namespace spanferry::daemon
