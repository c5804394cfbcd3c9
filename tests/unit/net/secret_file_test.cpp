#include "net/secret_file.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace spanferry::net {
namespace {

namespace fs = std::filesystem;

class SecretFile : public testing::Test {
 protected:
  SecretFile() {
    std::string name = testing::TempDir() + "spanferry-secret-XXXXXX";
    directory = mkdtemp(name.data());
  }
  ~SecretFile() override { fs::remove_all(directory); }

  std::string file(const std::string& name, std::string_view content) const {
    const std::string path = directory + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static std::string refusal(const std::string& path) {
    const auto read = read_secret(path);
    if (read) return "no refusal";
    EXPECT_EQ(read.error().kind, ErrorKind::configuration);
    EXPECT_NE(read.error().sentence.find(path), std::string::npos) << read.error().sentence;
    return read.error().sentence;
  }

  std::string directory;
};

TEST_F(SecretFile, IsTakenWithoutTheWhiteSpaceAroundIt) {
  for (const char* content : {"sesame", "sesame\n", "sesame\r\n", "  sesame \t\n\n"})
    EXPECT_EQ(read_secret(file("token", content)), "sesame");
  EXPECT_EQ(read_secret_text(file("lines", "a=b\nc=d\n")), "a=b\nc=d");
}

TEST_F(SecretFile, SaysWhyItCannotBeTaken) {
  EXPECT_NE(refusal(directory + "/nothing").find("is not there"), std::string::npos);
  EXPECT_NE(refusal(file("empty", " \n")).find("is empty"), std::string::npos);
  EXPECT_NE(refusal(file("two", "one\ntwo\n")).find("more than one line"), std::string::npos);
  EXPECT_NE(refusal(file("large", std::string(kMaxSecretFileBytes + 1, 'x'))).find("larger"),
            std::string::npos);
  EXPECT_NE(refusal(directory).find("not a regular file"), std::string::npos);
  const std::string pipe = directory + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(refusal(pipe).find("not a regular file"), std::string::npos) << "and nobody waited for a writer";
  const std::string sentence = refusal(file("secret", "hunter2\nhunter3"));
  EXPECT_EQ(sentence.find("hunter"), std::string::npos);
}

TEST_F(SecretFile, ThatThisUserMayNotReadSaysForWhom) {
  const std::string path = file("closed", "sesame");
  fs::permissions(path, fs::perms::none);
  // Root may read everything: asked as somebody else, in a process of its own.
  EXPECT_EXIT(
      {
        if (geteuid() == 0 && setuid(65534) != 0) std::_Exit(2);
        const std::string whom = "uid " + std::to_string(geteuid());
        std::_Exit(refusal(path).find(whom) != std::string::npos ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

// As a kubelet does it: token -> ..data/token, ..data -> a directory of its own for each version.
TEST_F(SecretFile, IsFollowedThroughTheLinksThatKubernetesTurns) {
  fs::create_directory(directory + "/v1");
  fs::create_directory(directory + "/v2");
  file("v1/token", "first");
  file("v2/token", "other");
  fs::create_symlink("v1", directory + "/..data");
  fs::create_symlink("..data/token", directory + "/token");
  const std::string path = directory + "/token";
  EXPECT_EQ(read_secret(path), "first");
  const std::string version = secret_version(path);
  fs::create_symlink("v2", directory + "/..data_tmp");
  fs::rename(directory + "/..data_tmp", directory + "/..data");
  fs::remove_all(directory + "/v1");
  EXPECT_EQ(read_secret(path), "other");
  EXPECT_NE(secret_version(path), version);
}

TEST_F(SecretFile, HasAnotherVersionWhenItsContentIsReplacedInPlace) {
  const std::string path = file("token", "first");
  const std::string version = secret_version(path);
  EXPECT_EQ(secret_version(path), version);
  // The clock of a filesystem is coarse: written again until it has moved on.
  while (secret_version(path) == version) file("token", "other");
  EXPECT_EQ(read_secret(path), "other");
  EXPECT_EQ(secret_version(directory + "/nothing"), "");
}

}  // namespace
}  // namespace spanferry::net
