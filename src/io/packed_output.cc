#include "io/packed_output.h"

#include <zlib.h>
#include <zstd.h>

#include <array>

#include "base/try.h"

namespace rerank::io {

// Packs a stream piece by piece into an output.
class PackedOutput::Packer {
 public:
  virtual ~Packer() = default;
  // `is_last`: nothing follows.
  virtual Status pack(std::string_view text, bool is_last, OutputFile& output) = 0;
};

namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

Error no_memory() {
  return {Error::Code::kOutOfMemory, "there is no memory to pack the output", "", ""};
}

class Gzip : public PackedOutput::Packer {
 public:
  Gzip() { is_ready_ = ::deflateInit2(&stream_, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK; }
  ~Gzip() override {
    if (is_ready_) ::deflateEnd(&stream_);
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Status pack(std::string_view text, bool is_last, OutputFile& output) override {
    if (!is_ready_) return no_memory();
    do {
      const std::string_view part = text.substr(0, std::size_t{1} << 30);  // zlib counts in 32 bits
      text.remove_prefix(part.size());
      RERANK_TRY(deflate(part, is_last && text.empty(), output));
    } while (!text.empty());
    return {};
  }

 private:
  Status deflate(std::string_view text, bool is_last, OutputFile& output) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    std::array<char, kPieceBytes> packed;
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(packed.data());
      stream_.avail_out = static_cast<uInt>(packed.size());
      ::deflate(&stream_, is_last ? Z_FINISH : Z_NO_FLUSH);
      RERANK_TRY(output.write({packed.data(), packed.size() - stream_.avail_out}));
    } while (stream_.avail_out == 0);
    return {};
  }

  z_stream stream_{};
  bool is_ready_ = false;
};

class Zstd : public PackedOutput::Packer {
 public:
  Status pack(std::string_view text, bool is_last, OutputFile& output) override {
    if (stream_ == nullptr) return no_memory();
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    std::array<char, kPieceBytes> packed;
    while (true) {
      ZSTD_outBuffer out{packed.data(), packed.size(), 0};
      const std::size_t left = ::ZSTD_compressStream2(stream_.get(), &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
      if (::ZSTD_isError(left) != 0) return no_memory();
      RERANK_TRY(output.write({packed.data(), out.pos}));
      if (is_last ? left == 0 : in.pos == in.size) return {};
    }
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* stream) const { ::ZSTD_freeCCtx(stream); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> stream_{::ZSTD_createCCtx()};
};

std::unique_ptr<PackedOutput::Packer> packer_for(Packing packing) {
  switch (packing) {
    case Packing::kGzip:
      return std::make_unique<Gzip>();
    case Packing::kZstd:
      return std::make_unique<Zstd>();
    case Packing::kNone:
      break;
  }
  return nullptr;
}

}  // namespace

Packing packing_of(std::string_view path) {
  return path.ends_with(".gz") ? Packing::kGzip : path.ends_with(".zst") ? Packing::kZstd : Packing::kNone;
}

PackedOutput::PackedOutput(OutputFile output, Packing packing)
    : output_(std::move(output)), packer_(packer_for(packing)) {}
PackedOutput::PackedOutput(PackedOutput&&) noexcept = default;
PackedOutput::~PackedOutput() = default;

Status PackedOutput::write(std::string_view text) {
  return packer_ == nullptr ? output_.write(text) : packer_->pack(text, false, output_);
}

Status PackedOutput::close() {
  if (packer_ != nullptr) RERANK_TRY(packer_->pack({}, true, output_));
  return output_.close();
}

}  // namespace rerank::io
