"""The load generator, with what it was answered booked for the accounts of the daemon it sends to."""
import programs
from accounts import sent_to


class Load(programs.Load):
    def report(self, seconds=600):
        report = super().report(seconds)
        sent = sent_to(self.address)
        sent.acknowledged += report["acked_spans"]
        sent.unknown += (report["broken"] + report["timeouts"] + report["unanswered"]) * report["spans_per_request"]
        return report
