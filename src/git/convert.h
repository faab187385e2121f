#pragma once
// End-of-line and $Id$ conversion between the work tree and the repository, as git's convert.c does
// it. Pure functions. External filters are never run: needs_external_filter() says that one would
// be.
#include <string>
#include <string_view>

#include "git/oid.h"
#include "git/rules.h"

namespace drover::git {

enum class AutoCrlf { off, on, input };   // core.autocrlf
enum class CoreEol { native, lf, crlf };  // core.eol

struct ConvertConfig {
  AutoCrlf auto_crlf = AutoCrlf::off;
  CoreEol eol = CoreEol::native;
};

enum class LineEnds { binary, text, text_lf, text_crlf, guess, guess_lf, guess_crlf };

// What is to be done with one path's content.
struct Conversion {
  LineEnds line_ends = LineEnds::binary;
  bool ident = false;
  ConvertConfig config;
};

[[nodiscard]] Conversion conversion_for(PathAttributes const& attributes,
                                        ConvertConfig const& config);
[[nodiscard]] bool needs_external_filter(PathAttributes const& attributes);
// True for a working-tree-encoding other than UTF-8.
[[nodiscard]] bool needs_reencoding(PathAttributes const& attributes);
// Whether to_repository() looks at the content that the index has now.
[[nodiscard]] bool depends_on_indexed(Conversion const& conversion);

// `indexed` is the content that the index has for the path, empty when it has none: a file that is
// stored with CRLF keeps it when its type is only guessed.
[[nodiscard]] std::string to_repository(std::string content, Conversion const& conversion,
                                        std::string_view indexed);
[[nodiscard]] std::string to_work_tree(std::string content, Conversion const& conversion,
                                       Oid const& blob);

}  // namespace drover::git
