# Reports as Perl programs do: by LWP and by HTTP::Tiny, both over kept connections.
# tests/clients/programs.py says what every client does and prints.
use strict;
use warnings;
use HTTP::Request;
use HTTP::Tiny;
use IO::Compress::Gzip qw(gzip);
use LWP::UserAgent;

my ($url, $limited, $token, $door) = @ARGV;
my $lwp = LWP::UserAgent->new(keep_alive => 1, timeout => 20);
my $tiny = HTTP::Tiny->new(keep_alive => 1, timeout => 20);
$| = 1;

sub headers_of {
    my (%what) = @_;
    my %headers;
    my $secret = $what{secret} // $token;
    $headers{'Authorization'} = "Bearer $secret" if $secret;
    $headers{'Content-Type'} = $what{type} if $what{type};
    $headers{'Content-Encoding'} = 'gzip' if ($what{how} // '') eq 'gzip';
    return %headers;
}

# What gives the body in parts: both libraries then send it chunked.
sub in_parts {
    my @left = @_;
    return sub { return shift @left };
}

sub by_lwp {
    my (%what) = @_;
    my $request = HTTP::Request->new($what{method}, $what{to}, [headers_of(%what)]);
    my $chunked = ($what{how} // '') eq 'chunked';
    $request->content($chunked ? in_parts($what{body}, '') : $what{body}) if defined $what{body};
    my $answer = $lwp->request($request);
    die $answer->content if ($answer->header('Client-Warning') // '') eq 'Internal response';
    return ($answer->code, $answer->content);
}

sub by_tiny {
    my (%what) = @_;
    my $body = ($what{how} // '') eq 'chunked' ? in_parts($what{body}) : $what{body};
    my %options = (headers => {headers_of(%what)});
    $options{content} = $body if defined $body;
    my $answer = $tiny->request($what{method}, $what{to}, \%options);
    die $answer->{content} if $answer->{status} == 599;
    return ($answer->{status}, $answer->{content});
}

sub report {
    my ($variant, $ask) = @_;
    my $jail = "?jail=$door.$variant";
    my $one = sub { return "$url/infraction/203.0.113.$_[0]$jail" };
    my $many = "$url/infractions$jail";
    my $say = sub {
        my ($name, @what) = @_;
        my ($status, $text) = eval { $ask->(@what) };
        ($status, $text) = ('broken', $@) if $@;
        my ($line) = split /\n/, $text // ''; # HTTP::Tiny has no content of a HEAD
        print "$variant $name $status ", $line // '', "\n";
    };
    my $form = 'user=root&password=123456';
    my $json = 'application/json';
    $say->('get', method => 'GET', to => $one->(1)) for 1 .. 3;
    $say->('head', method => 'HEAD', to => $one->(2));
    $say->('post', method => 'POST', to => $one->(3), body => $form);
    $say->('put', method => 'PUT', to => $one->(4), body => $form);
    my @posted = (method => 'POST', to => $many, type => $json);
    $say->('json', @posted, body => '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]');
    my $lines = qq({"ip": "203.0.113.7"}\n{"ip": "203.0.113.8"}\n);
    $say->('ndjson', @posted, type => 'application/x-ndjson', body => $lines);
    my $plain = '{"ip": "203.0.113.9"}';
    gzip(\$plain => \my $packed);
    $say->('gzip', @posted, how => 'gzip', body => $packed);
    $say->('chunked', @posted, how => 'chunked', body => '{"ip": "203.0.113.10"}');
    my $large = qq({"ip": "203.0.113.66"}\n) x 90_000;
    for my $refused (
        ['no_token', @posted, secret => ''],
        ['no_such_method', @posted, method => 'DELETE'],
        ['too_large', @posted],
        ['too_often', @posted, to => "$limited/infractions$jail"],
        )
    {
        $say->(@$refused, body => $large);
        $say->('after', method => 'GET', to => $one->(12));
    }
    return;
}

printf "version Perl %vd, LWP %s, HTTP::Tiny %s\n", $^V, $LWP::VERSION, $HTTP::Tiny::VERSION;
report('LWP', \&by_lwp);
report('HTTP-Tiny', \&by_tiny);
