#!/usr/bin/env perl
# An SMSC by Perl's Net::SMPP, independent of the library that Watchword uses: it takes one bind at a time as a
# transceiver, writes a line for each text, and sends a receipt for it. Arguments: port, log, what the receipt says.
use strict;
use warnings;
use Net::SMPP;

my ($port, $log, $stat) = @ARGV;
$stat ||= 'DELIVRD';
open(my $out, '>>', $log) or die "can't write $log";
select((select($out), $| = 1)[0]);
my $listening = Net::SMPP->new_listen('127.0.0.1', smpp_version => 0x34, port => $port) or die "can't listen";
print "ready\n";
close(STDOUT);
my $number = 0;
while (my $esme = $listening->accept) {
    while (my $pdu = $esme->read_pdu) {
        my $seq = $pdu->{seq};
        if ($pdu->{cmd} == Net::SMPP::CMD_bind_transceiver) {
            my $right = $pdu->{system_id} eq 'ww' && $pdu->{password} eq 'secret';
            print $out "bind $pdu->{system_id} $pdu->{interface_version}\n";
            $esme->bind_transceiver_resp(system_id => 'perl', seq => $seq, status => $right ? 0 : 0x0e);
            last unless $right;
        } elsif ($pdu->{cmd} == Net::SMPP::CMD_enquire_link) {
            print $out "enquire\n";
            $esme->enquire_link_resp(seq => $seq);
        } elsif ($pdu->{cmd} == Net::SMPP::CMD_submit_sm) {
            my $id = sprintf('p-%d', ++$number);
            printf $out "text %s %s %s %s %s %s\n", $pdu->{source_addr}, $pdu->{destination_addr}, $pdu->{data_coding},
                $pdu->{esm_class}, $pdu->{validity_period} || '-', unpack('H*', $pdu->{short_message});
            $esme->submit_sm_resp(message_id => $id, seq => $seq);
            next unless $pdu->{registered_delivery};
            $esme->deliver_sm(
                source_addr => $pdu->{destination_addr}, destination_addr => $pdu->{source_addr}, esm_class => 0x04,
                short_message => "id:$id sub:001 dlvrd:001 submit date:2611241200 done date:2611241200"
                    . " stat:$stat err:000 text:", async => 1);
        } elsif ($pdu->{cmd} == Net::SMPP::CMD_unbind) {
            print $out "unbind\n";
            $esme->unbind_resp(seq => $seq);
            last;
        } elsif ($pdu->{cmd} == Net::SMPP::CMD_deliver_sm_resp) {
            print $out "receipt taken\n";
        } else {
            print $out "other $pdu->{cmd}\n";
        }
    }
    $esme->close;
}
