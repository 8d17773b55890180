#!/usr/bin/env bash
#
# Run by in_clean_root.sh, as a new user: README and tutorial with the packages installed and no variable set. What README says of building
# from source is left out; tests/api/readme_test.sh does that.
export EVCHAN_SOURCE_DIR=/source EVCHAN_CMAKE=cmake EVCHAN_BUILD_DIR=$HOME/build
mkdir "$EVCHAN_BUILD_DIR" && ln -s /usr/bin "$EVCHAN_BUILD_DIR/examples"
source /source/tests/api/walk.sh

folder=$HOME/readme
mkdir "$folder"
sed '/^```console install/,/^```$/d' /source/README.md >"$work/README.md"
walk_document "$work/README.md"
compile_fragments
run_fragments
echo "        README: $blocks blocks, and its sample runs"

unset terminal_pid terminal_pipe terminal_commands terminal_line terminal_any
declare -A terminal_pid terminal_pipe terminal_commands terminal_line terminal_any
rm -f "$work"/terminal.*
folder=$HOME/tutorial
mkdir "$folder"
walk_document /source/docs/tutorial.md
echo "        tutorial: $blocks blocks"
