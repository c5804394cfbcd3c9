#include "daemon/reload.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "daemon/process.hpp"

namespace spanferry::daemon {
namespace {

class WatchedFileTest : public ::testing::Test {
 protected:
  WatchedFileTest() : directory_(make_temporary_directory()), path_(directory_ + "/file") { write("one"); }
  ~WatchedFileTest() override { std::filesystem::remove_all(directory_); }
  void write(const std::string& text) { std::ofstream(path_) << text; }

  const std::string directory_, path_;
};

TEST_F(WatchedFileTest, IsChangedOnceItsWriterHasFinished) {
  WatchedFile file(path_);
  EXPECT_FALSE(file.changed());
  write("another");
  EXPECT_FALSE(file.changed()) << "it may still be written";
  write("another one");
  EXPECT_FALSE(file.changed());
  EXPECT_TRUE(file.changed());
  EXPECT_FALSE(file.changed()) << "once a change";
}

TEST_F(WatchedFileTest, IsChangedWhenAnotherTakesItsPlaceBehindALink) {
  std::filesystem::create_symlink(path_, directory_ + "/link");
  WatchedFile file(directory_ + "/link");
  std::ofstream(directory_ + "/next") << "two";
  std::filesystem::remove(directory_ + "/link");
  std::filesystem::create_symlink(directory_ + "/next", directory_ + "/link");
  EXPECT_FALSE(file.changed());
  EXPECT_TRUE(file.changed());
}

TEST_F(WatchedFileTest, IsNotChangedAgainByWhatWasReadForAnotherReason) {
  WatchedFile file(path_);
  write("another");
  file.was_read();
  EXPECT_FALSE(file.changed());
  EXPECT_FALSE(file.changed());
}

TEST(Reload, NamesWhatTakesARestart) {
  config::Loaded before, after;
  before.shown = {
      {"listen.http", "127.0.0.1:4318", ""}, {"log.level", "info", ""}, {"spool.max_bytes", "1GiB", ""}};
  after.shown = {{"listen.http", "127.0.0.1:4319", ""},
                 {"log.level", "debug", ""},
                 {"spool.max_bytes", "1GiB", ""},
                 {"destinations[0].url", "http://there", ""},
                 {"context.region", "here", ""}};
  EXPECT_EQ(keys_for_a_restart(before, after), std::vector<std::string>{"listen.http"});
}

}  // namespace
}  // namespace spanferry::daemon
