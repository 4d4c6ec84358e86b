"""Jobs on Dataflow: started once under a name, found again by it, waited for, cancelled.

All functions here import Beam's client of Dataflow, and run in a process of their own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.errors import EngineError
from pipeline.pictures.guard import Limits
from pipeline.workers import beam, package
from pipeline.workers.engines import DATAFLOW, not_started
from pipeline.workers.log import in_a_sentence, kept_back, our_fault
from pipeline.workers.step import Step

POLL_SECONDS = 5.0
_ENDED = {"JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_UPDATED", "JOB_STATE_DRAINED"}


class Job(NamedTuple):
    """A job of Dataflow's: its number, and the page of the console that shows it."""

    id: str
    page: str


def start(step: Step, jobs: Sequence[str], beam_flags: Sequence[str], limits: Limits, name: str) -> Job:
    """Starts a job of a name that no running job has.

    Raises:
      EngineError: Dataflow did not take it.
    """
    try:
        with kept_back():
            options = _options(beam_flags, name)
            from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

            for place in {_cloud(options).temp_location, _cloud(options).staging_location} - {None}:
                # Beam would try for minutes to write to one that is missing.
                _client(options)._storage_client.get_bucket(place.removeprefix("gs://").partition("/")[0])
            package.add_to(options)
            pipeline = beam.import_beam().Pipeline(runner=DataflowRunner(), options=options)
            beam.deal_out(pipeline, jobs, beam.perform, (step, limits))
            return _job(pipeline.run().job_id(), options)
    except EngineError:
        raise
    except Exception as error:
        raise not_started(DATAFLOW, in_a_sentence(error)) from error


def find(beam_flags: Sequence[str], name: str) -> Job | None:
    """The job of a name that has not ended; None where there is none.

    Raises:
      EngineError: Dataflow does not answer, or does not let us look.
    """
    try:
        with kept_back():
            options = _options(beam_flags, name)
            from google.cloud import dataflow

            cloud = _cloud(options)
            if not cloud.no_auth:
                _check_credentials()
            request = dataflow.ListJobsRequest(
                project_id=cloud.project, location=cloud.region, filter=dataflow.ListJobsRequest.Filter.ACTIVE
            )
            # Beam's own search passes over jobs that still wait for their machines.
            found = _client(options)._jobs_client.list_jobs(request)
            return next((_job(job.id, options) for job in found if job.name == name and not _ended(job)), None)
    except EngineError:
        raise
    except Exception as error:
        raise not_started(DATAFLOW, in_a_sentence(error)) from error


def wait(job: Job, beam_flags: Sequence[str]) -> str:
    """Waits for the end of a job.

    Returns:
      A sentence on what Dataflow says went wrong; "" where it says that all went well.
    """
    try:
        with kept_back():
            client = _client(_options(beam_flags))
            while not _ended(state := client.get_job(job.id)):
                time.sleep(POLL_SECONDS)
            if state.current_state.name == "JOB_STATE_DONE":
                return ""
            messages, _ = client.list_messages(job.id, minimum_importance="JOB_MESSAGE_ERROR")
            said = "\n".join(message.message_text for message in messages)
    except Exception as error:
        return f"{DATAFLOW} can no longer be asked about job {job.id}: {in_a_sentence(error)}. See {job.page}."
    if ours := our_fault(said):
        return ours
    ended = state.current_state.name.removeprefix("JOB_STATE_").lower()
    last = said.strip().rpartition("\n")[2]
    return f"Dataflow job {job.id} has ended as {ended}{': ' + last.rstrip('.') if last else ''}. See {job.page}."


def cancel(job: Job, beam_flags: Sequence[str]) -> None:
    """Asks Dataflow to end a job. Raises EngineError where it cannot be asked."""
    try:
        with kept_back():
            _client(_options(beam_flags)).modify_job_state(job.id, "JOB_STATE_CANCELLED")
    except Exception as error:
        raise EngineError(f"{DATAFLOW} could not be asked to cancel job {job.id}: {in_a_sentence(error)}") from error


def _options(beam_flags: Sequence[str], name: str | None = None) -> Any:
    beam.import_beam()
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions(list(beam_flags))
    if name:
        _cloud(options).job_name = name
    return options


def _cloud(options: Any) -> Any:
    from apache_beam.options.pipeline_options import GoogleCloudOptions

    return options.view_as(GoogleCloudOptions)


def _check_credentials() -> None:
    """Raises EngineError where there are none; Beam would look for some for half a minute, and then do without."""
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        google.auth.default()
    except GoogleAuthError as error:
        raise EngineError(
            f"{DATAFLOW}: no credentials of Google Cloud were found. Run gcloud auth application-default login, or set "
            "GOOGLE_APPLICATION_CREDENTIALS to a key file. Nothing was started."
        ) from error


def _client(options: Any) -> Any:
    from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient

    return DataflowApplicationClient(options)


def _job(number: str, options: Any) -> Job:
    cloud = _cloud(options)
    page = f"https://console.cloud.google.com/dataflow/jobs/{cloud.region}/{number}?project={cloud.project}"
    return Job(number, page)


def _ended(job: Any) -> bool:
    return job.current_state.name in _ENDED
