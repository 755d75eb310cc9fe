#!/bin/bash
#
# Installs what building and testing need; does nothing where all is there.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

need_server
need_packages gcc libc6-dev make libipc-run-perl pg-bsd-indent
