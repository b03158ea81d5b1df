#include "io/byte_source.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/try.h"
#include "io/system_error.h"

namespace rerank::io {
namespace {

constexpr std::string_view kGzipMagic("\x1F\x8B", 2), kZstdMagic("\x28\xB5\x2F\xFD", 4);
constexpr std::size_t kPackedBytes = std::size_t{64} << 10;

// Unpacks a stream piece by piece.
class Unpacker {
 public:
  virtual ~Unpacker() = default;
  // Takes bytes from the front of `packed` and returns how many it put at `target`; 0 when it needs more. The error is
  // what is wrong with the data.
  virtual Result<std::size_t> unpack(std::string_view& packed, char* target, std::size_t size) = 0;
  // Whether the data may end here.
  virtual bool is_complete() const = 0;
};

Error damaged(std::string what) {
  return {Error::Code::kCorrupt, std::move(what), "", "fetch or pack the file anew"};
}

class Gunzip : public Unpacker {
 public:
  Gunzip() { is_ready_ = ::inflateInit2(&stream_, 15 + 16) == Z_OK; }  // 16: with gzip's header
  ~Gunzip() override {
    if (is_ready_) ::inflateEnd(&stream_);
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  Result<std::size_t> unpack(std::string_view& packed, char* target, std::size_t size) override {
    if (!is_ready_) return Error{Error::Code::kOutOfMemory, "zlib finds no memory", "", ""};
    if (packed.empty()) return std::size_t{0};
    if (at_end_) {  // of a member: the next one begins
      ::inflateReset(&stream_);
      at_end_ = false;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    stream_.next_out = reinterpret_cast<Bytef*>(target);
    stream_.avail_out = static_cast<uInt>(std::min(size, kPackedBytes));
    const uInt room = stream_.avail_out;
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    packed.remove_prefix(packed.size() - stream_.avail_in);
    if (code == Z_STREAM_END)
      at_end_ = true;
    else if (code != Z_OK && code != Z_BUF_ERROR)
      return damaged(fmt::format("the gzip data are damaged ({})", stream_.msg != nullptr ? stream_.msg : "no reason"));
    return static_cast<std::size_t>(room - stream_.avail_out);
  }
  bool is_complete() const override { return at_end_; }

 private:
  z_stream stream_{};
  bool is_ready_ = false, at_end_ = false;
};

class Unzstd : public Unpacker {
 public:
  Result<std::size_t> unpack(std::string_view& packed, char* target, std::size_t size) override {
    if (stream_ == nullptr) return Error{Error::Code::kOutOfMemory, "zstd finds no memory", "", ""};
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer out{target, size, 0};
    const std::size_t left = ::ZSTD_decompressStream(stream_.get(), &out, &in);
    if (::ZSTD_isError(left) != 0)
      return damaged(fmt::format("the zstd data are damaged ({})", ::ZSTD_getErrorName(left)));
    packed.remove_prefix(in.pos);
    if (in.pos > 0 || out.pos > 0) is_complete_ = left == 0;
    return out.pos;
  }
  bool is_complete() const override { return is_complete_; }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ::ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_{::ZSTD_createDStream()};
  bool is_complete_ = false;
};

}  // namespace

struct ByteSource::State {
  FileDescriptor file;    // not open where the bytes are in memory
  std::string_view text;  // what is left of them
  std::string name;
  bool begun = false;  // the first bytes have been looked at
  std::unique_ptr<Unpacker> unpacker;
  std::vector<char> buffer;  // of a file: bytes that are read and not yet handed on
  std::string_view pending;  // those bytes

  // Bytes as they are in the file; 0 at its end.
  Result<std::size_t> read_raw(char* target, std::size_t size) {
    if (!file.is_open()) {
      const std::size_t bytes = text.copy(target, size);
      text.remove_prefix(bytes);
      return bytes;
    }
    while (true) {
      const ssize_t bytes = ::read(file.get(), target, size);
      if (bytes >= 0) return static_cast<std::size_t>(bytes);
      if (errno != EINTR && !(errno == EAGAIN && file.wait_until(POLLIN))) return system_error(errno, "read", name);
    }
  }

  // Reads until the first bytes are told to be packed or not.
  Status begin() {
    begun = true;
    buffer.resize(kPackedBytes);
    std::size_t bytes = 0;
    const auto may_become = [&](std::string_view magic) {
      return bytes < magic.size() && magic.starts_with(std::string_view(buffer.data(), bytes));
    };
    while (may_become(kGzipMagic) || may_become(kZstdMagic)) {
      RERANK_ASSIGN(const std::size_t more, read_raw(buffer.data() + bytes, bytes == 0 ? kPackedBytes : 4));
      if (more == 0) break;
      bytes += more;
    }
    pending = {buffer.data(), bytes};
    if (pending.starts_with(kGzipMagic)) unpacker = std::make_unique<Gunzip>();
    if (pending.starts_with(kZstdMagic)) unpacker = std::make_unique<Unzstd>();
    return {};
  }
};

ByteSource::ByteSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
ByteSource::ByteSource(ByteSource&&) noexcept = default;
ByteSource& ByteSource::operator=(ByteSource&&) noexcept = default;
ByteSource::~ByteSource() = default;

ByteSource ByteSource::over_file(FileDescriptor file, std::string name) {
  auto state = std::make_unique<State>();
  state->file = std::move(file);
  state->name = std::move(name);
  return ByteSource(std::move(state));
}

ByteSource ByteSource::over_text(std::string_view text, std::string name) {
  auto state = std::make_unique<State>();
  state->text = text;
  state->name = std::move(name);
  return ByteSource(std::move(state));
}

Result<std::size_t> ByteSource::read(char* target, std::size_t size) {
  State& state = *state_;
  if (!state.begun) RERANK_TRY(state.begin());
  if (state.unpacker == nullptr) {
    if (state.pending.empty()) return state.read_raw(target, size);
    const std::size_t bytes = state.pending.copy(target, size);
    state.pending.remove_prefix(bytes);
    return bytes;
  }
  while (true) {
    Result<std::size_t> bytes = state.unpacker->unpack(state.pending, target, size);
    if (!bytes.ok()) {
      bytes.error().where = state.name;
      return bytes;
    }
    if (bytes.value() > 0) return bytes;
    if (!state.pending.empty()) continue;
    RERANK_ASSIGN(const std::size_t more, state.read_raw(state.buffer.data(), state.buffer.size()));
    state.pending = {state.buffer.data(), more};
    if (more > 0) continue;
    if (state.unpacker->is_complete()) return std::size_t{0};
    Error cut = damaged("the packed data end in the middle");
    cut.where = state.name;
    return cut;
  }
}

}  // namespace rerank::io
