
=pod

=head1 NAME

Browser - pages as a browser without a screen shows them

=head1 SYNOPSIS

	if (Browser::is_there())
	{
		my $dom = Browser::dom($page, '#topic=3');
		my %said = Browser::ask($page, q{ { title: document.title } });
	}

=cut

package Browser;

use strict;
use warnings;

use File::Temp qw(tempdir);
use IPC::Run qw(run timeout);
use JSON::PP qw(decode_json);

my ($binary) = grep { -x $_ } map {
	my $folder = $_;
	map { "$folder/$_" } qw(chromium chromium-browser google-chrome)
} split /:/, $ENV{PATH};

# Whether there is a browser to ask.
sub is_there
{
	return defined $binary;
}

# browse(FILE, HASH, OPTION...): what is printed, and what went wrong in the
# page: an error of a script, a request, a breach of its policy
sub browse
{
	my ($file, $hash, @options) = @_;
	my $profile = tempdir(CLEANUP => 1);
	my ($out, $err) = ('', '');
	my @command = (
		$binary, qw(--headless --no-sandbox --disable-gpu --no-first-run
		  --disable-background-networking --disable-sync
		  --disable-dev-shm-usage --enable-logging=stderr),
		"--user-data-dir=$profile", @options, "file://$file$hash");

	local $ENV{HOME} = $profile;
	run(\@command, '<', \undef, '>', \$out, '2>', \$err, timeout(120))
	  or die "$binary: $?\n$err";
	return ($out, grep { /CONSOLE/ } split /\n/, $err);
}

# dom(FILE, HASH): the document after its scripts, as HTML, and errors
sub dom
{
	my ($file, $hash) = @_;

	return browse($file, $hash, '--dump-dom');
}

# ask(FILE, HASH, EXPRESSION): the value of an expression of JavaScript in the
# page, once it is there.  A copy of the page gets a script of one more.
sub ask
{
	my ($file, $hash, $expression) = @_;
	my $folder = tempdir(CLEANUP => 1);

	open(my $in, '<', $file) or die "$file: $!";
	my $page = do { local $/; <$in> };
	my $script =
	    "<script>document.documentElement.dataset.answer = "
	  . "encodeURIComponent(JSON.stringify($expression))</script></body>";
	$page =~ s{</body>(?!.*</body>)}{$script}s or die "$file has no end";

	open(my $out, '>', "$folder/page.html") or die "$folder: $!";
	print $out $page;
	close($out);
	my ($dom, @errors) = dom("$folder/page.html", $hash);
	die "@errors" if @errors;
	my ($answer) = $dom =~ /data-answer="([^"]*)"/ or die "no answer: $dom";
	$answer =~ s/%([0-9A-F]{2})/chr(hex($1))/ge;
	return decode_json($answer);
}

# picture(FILE, HASH, WIDTH, HEIGHT, PNG): for somebody to look at
sub picture
{
	my ($file, $hash, $width, $height, $png) = @_;

	return browse($file, $hash, '--hide-scrollbars', "--screenshot=$png",
		"--window-size=$width,$height");
}

1;
