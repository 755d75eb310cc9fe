#!/bin/bash
#
# Installs what building and testing need; does nothing where all is there.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

need_server
need_packages gcc libc6-dev make libipc-run-perl pg-bsd-indent

# A browser for one test, which is skipped without it.  It is large and may not
# be had.
if ! command -v chromium chromium-browser google-chrome >/dev/null; then
	need_packages chromium ||
		say "no chromium: the test of lda_report in a browser is skipped"
fi
