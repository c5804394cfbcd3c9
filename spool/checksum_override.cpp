#include "spool/checksum_override.hpp"

#include <cstddef>
#include <cstdint>

#include <dlfcn.h>

#include "model/crc32c.hpp"

namespace rocksdb::crc32c {

// Declared in RocksDB's util/crc32c.h, which is not installed: the checksum of what `init_crc` covers,
// followed by `data`. Same polynomial, same meaning of the seed as ours.
std::uint32_t Extend(std::uint32_t init_crc, const char* data, std::size_t n) {
  return spanferry::crc32c({data, n}, init_crc);
}

}  // namespace rocksdb::crc32c

namespace spanferry::spool {

bool checksum_is_overridden() {
  const void* used = dlsym(RTLD_DEFAULT, "_ZN7rocksdb6crc32c6ExtendEjPKcm");
  return used == reinterpret_cast<const void*>(&rocksdb::crc32c::Extend);
}

}  // namespace spanferry::spool
