// The calls of the four kinds of storage, as MLflow's own client makes them (recorded traffic).
#include "uploader/databricks_storage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanferry::uploader {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr std::string_view kBlock = "701f4b26a06249409f519efc0726f23b";

StorageCredential credential(std::string kind) {
  return {std::move(kind), "https://store/f?sig=1", {{"x-ms-version", "2020"}}};
}
std::string body_of(const net::HttpRequest& request) {
  std::string body;
  for (const auto& piece : request.body) body += *piece;
  return body;
}

TEST(DatabricksStorage, WithoutTlsIsUsedOnlyWhereTheWorkspaceHasNone) {
  EXPECT_TRUE(is_as_safe_as("https://w.example", "https://bucket.example/x?sig=1"));
  EXPECT_TRUE(is_as_safe_as("https://w.example", "HTTPS://bucket.example/x"));
  EXPECT_TRUE(is_as_safe_as("http://127.0.0.1:8900", "http://127.0.0.1:8900/x"));
  EXPECT_FALSE(is_as_safe_as("https://w.example", "http://169.254.169.254/latest/meta-data"));
  EXPECT_FALSE(is_as_safe_as("https://w.example", "file:///etc/passwd"));
  EXPECT_FALSE(is_as_safe_as("https://w.example", ""));
}

TEST(DatabricksStorage, ASignedUrlTakesOnePutWithTheHeadersListedAndNoOthers) {
  for (const char* kind : {"AWS_PRESIGNED_URL", "GCP_SIGNED_URL"}) {
    const auto requests = upload_requests(credential(kind), "file", kBlock);
    ASSERT_THAT(requests, SizeIs(1));
    EXPECT_EQ(requests[0].method, "PUT");
    EXPECT_EQ(requests[0].url, "https://store/f?sig=1");
    EXPECT_THAT(requests[0].headers, ElementsAre(Pair("x-ms-version", "2020")));
    EXPECT_EQ(body_of(requests[0]), "file");
  }
}

TEST(DatabricksStorage, AzureBlobsTakeABlockAndAList) {
  const auto requests = upload_requests(credential("AZURE_SAS_URI"), "file", kBlock);
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].url,
            "https://store/f?sig=1&comp=block&blockid=NzAxZjRiMjZhMDYyNDk0MDlmNTE5ZWZjMDcyNjAwMDA%3D");
  EXPECT_THAT(requests[0].headers,
              ElementsAre(Pair("x-ms-version", "2020"), Pair("x-ms-blob-type", "BlockBlob")));
  EXPECT_EQ(requests[1].url, "https://store/f?sig=1&comp=blocklist");
  EXPECT_EQ(body_of(requests[1]),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n"
            "<Uncommitted>NzAxZjRiMjZhMDYyNDk0MDlmNTE5ZWZjMDcyNjAwMDA=</Uncommitted>\n</BlockList>");
}

TEST(DatabricksStorage, AzureDataLakesTakeAFileAndItsBytes) {
  const auto requests = upload_requests(credential("AZURE_ADLS_GEN2_SAS_URI"), "file", kBlock);
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].method + requests[0].url, "PUThttps://store/f?sig=1&resource=file");
  EXPECT_EQ(body_of(requests[0]), "");
  EXPECT_EQ(requests[1].method + requests[1].url,
            "PATCHhttps://store/f?sig=1&action=append&position=0&flush=true");
  EXPECT_EQ(body_of(requests[1]), "file");
}

TEST(DatabricksStorage, LargeFilesGoToAzureInParts) {
  const std::string file(kStoragePartBytes * 2 + 7, 'x');
  const auto blob = upload_requests(credential("AZURE_SAS_URI"), file, kBlock);
  ASSERT_THAT(blob, SizeIs(4));
  EXPECT_NE(blob[0].url, blob[1].url);
  EXPECT_EQ(body_of(blob[2]).size(), 7U);
  const auto lake = upload_requests(credential("AZURE_ADLS_GEN2_SAS_URI"), file, kBlock);
  ASSERT_THAT(lake, SizeIs(5));
  EXPECT_EQ(lake[3].url, "https://store/f?sig=1&action=append&position=20971520");
  EXPECT_EQ(lake[4].url, "https://store/f?sig=1&action=flush&position=20971527");
}

TEST(DatabricksStorage, AKindWeDoNotKnowIsNoUpload) {
  EXPECT_THAT(upload_requests(credential("TAPE"), "file", kBlock), SizeIs(0));
}

TEST(DatabricksStorage, ReadsWhatTheWorkspaceHandsOut) {
  const auto given = parse_storage_credential(
      R"({"credential_info":{"signed_uri":"https://s/?a=1","type":"AWS_PRESIGNED_URL",)"
      R"("headers":[{"name":"x-amz-server-side-encryption","value":"AES256"}]}})");
  ASSERT_TRUE(given);
  EXPECT_EQ(given->url, "https://s/?a=1");
  EXPECT_THAT(given->headers, ElementsAre(Pair("x-amz-server-side-encryption", "AES256")));
  EXPECT_FALSE(parse_storage_credential("{}"));
  EXPECT_FALSE(parse_storage_credential("not json"));
}

}  // namespace
}  // namespace spanferry::uploader
