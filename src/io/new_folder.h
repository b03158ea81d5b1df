// A folder that appears under its name whole, or not at all.
#pragma once

#include <filesystem>
#include <string_view>

#include "rerank/error.h"

namespace rerank::io {

// Files are made in a temporary folder beside the wanted one, which is renamed at the end. Move-only; a folder that was
// never published is removed with its files.
class NewFolder {
 public:
  // kBadInput when `path` exists and is anything but an empty folder, or when the folder around it does not exist; kIo
  // when that may not be written.
  static Result<NewFolder> create(const std::filesystem::path& path);

  NewFolder(NewFolder&& other) noexcept;
  NewFolder& operator=(NewFolder&&) = delete;
  ~NewFolder();

  // Where the files go until then.
  const std::filesystem::path& path() const { return temporary_; }

  // Writes a file of this folder anew. kIo.
  Status write(std::string_view name, std::string_view text) const;
  // Gives the folder its name. Nothing may be asked of it afterwards. kIo, kBadInput when somebody else has filled the
  // wanted folder meanwhile.
  Status publish();

 private:
  NewFolder(std::filesystem::path wanted, std::filesystem::path temporary)
      : wanted_(std::move(wanted)), temporary_(std::move(temporary)) {}

  std::filesystem::path wanted_, temporary_;  // the latter is empty once published
};

}  // namespace rerank::io
