// Makes JSON text fit for a strict parser: what senders get wrong in strings, mended before it is parsed.
#pragma once

#include <string>
#include <string_view>

namespace spanferry::otlp {

// `text` without a byte order mark; invalid UTF-8 and \u escapes of lone surrogates (JavaScript writes them
// for a cut emoji) become U+FFFD, then in `storage`, which must outlive the result, and *repaired is set.
std::string_view mend_json_text(std::string_view text, std::string& storage, bool& repaired);

}  // namespace spanferry::otlp
