#include "model/databricks_profiles.hpp"

#include <gtest/gtest.h>

namespace spanferry {
namespace {

std::string error_of(std::string_view text) {
  const auto parsed = parse_databricks_profiles(text);
  return parsed ? "" : parsed.error().sentence;
}

TEST(DatabricksProfiles, AreSectionsWithTheirLines) {
  const auto parsed = parse_databricks_profiles(
      "\xEF\xBB\xBF; by databricks configure\r\n"
      "[DEFAULT]\r\n"
      "host  = https://w.example\r\n"
      "Token: dapi=1:2 ; kept\r\n"
      "\r\n"
      "[with space]\n"
      "  # indented\n"
      "  client_id = a\n"
      "  client_secret =\n");
  ASSERT_TRUE(parsed) << parsed.error().sentence;
  ASSERT_EQ(parsed->sections.size(), 2U);
  const auto* one = parsed->find("DEFAULT");
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->line, 2);
  EXPECT_EQ(one->find("host")->text, "https://w.example");
  EXPECT_EQ(one->find("token")->text, "dapi=1:2 ; kept");
  EXPECT_EQ(one->find("token")->line, 4);
  const auto* other = parsed->find("with space");
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->find("client_id")->text, "a");
  EXPECT_EQ(other->find("client_secret"), nullptr) << "an empty value says nothing";
  EXPECT_EQ(other->find("host"), nullptr) << "nothing is inherited";
  EXPECT_EQ(parsed->find("default"), nullptr) << "names are case sensitive";
}

TEST(DatabricksProfiles, ContinueAValueOnDeeperLines) {
  const auto parsed = parse_databricks_profiles("[a]\nscopes = x\n  y = z\nhost = h\n");
  ASSERT_TRUE(parsed) << parsed.error().sentence;
  EXPECT_EQ(parsed->sections[0].find("scopes")->text, "x\ny = z");
  EXPECT_EQ(parsed->sections[0].find("y"), nullptr);
  EXPECT_EQ(parsed->sections[0].find("host")->line, 4);
}

TEST(DatabricksProfiles, AreEmptyInAnEmptyFile) {
  EXPECT_TRUE(parse_databricks_profiles("")->sections.empty());
  EXPECT_TRUE(parse_databricks_profiles("\n \n# nothing\n")->sections.empty());
}

TEST(DatabricksProfiles, TellWhereTheyAreWrongWithoutTheValue) {
  EXPECT_EQ(error_of("[a]\nplanted-token\n"), "2: neither [PROFILE] nor KEY = VALUE");
  EXPECT_EQ(error_of("token = planted\n[a]\n"), "1: a value before the first [PROFILE]");
  EXPECT_EQ(error_of("[a]\n[b]\n[a]\n"), "3: [a] stands here again; it is first at line 1");
  EXPECT_EQ(error_of("[a]\ntoken=p\nTOKEN=q\n"), "3: `token` stands here again; it is first at line 2");
  EXPECT_EQ(error_of("[]\n"), "1: a profile begins with [NAME]");
  EXPECT_EQ(error_of("[a\n"), "1: a profile begins with [NAME]");
  EXPECT_EQ(error_of("=x\n"), "1: neither [PROFILE] nor KEY = VALUE");
  EXPECT_NE(error_of(std::string(kMaxProfilesBytes + 1, '\n')).find("limit"), std::string::npos);
}

}  // namespace
}  // namespace spanferry
