"""What a ``django=`` filter may ask about: everything else does not exist for it.

Only what stands here can be reached. Of users that is who they are and what they did, never how
they log in, how they are written to or what they may do.
"""

from __future__ import annotations

from functools import cache

_ACTION = "subject users lab location procedures narrative start_time end_time"

#: Columns and relations of each table; ``id``, ``name`` and ``json`` count where there are any.
REACHABLE: dict[str, str] = {
    "Lab": (
        "institution address timezone reference_weight_pct zscore_weight_pct repositories "
        "location membership session subjects surgery waterrestriction chronicinsertion"
    ),
    "LabLocation": "lab session surgery",
    "LabMember": (
        "username is_stock_manager lab_membership projects session subjects_responsible surgery "
        "dataset weighing wateradministration"
    ),
    "LabMembership": "user lab role start_date end_date",
    "Project": "description users session subjects",
    "Species": "nickname subject",
    "Strain": "description subject",
    "Source": "description subject",
    "Line": "nickname description subject litter",
    "Litter": "birth_date description line subject",
    "Subject": (
        "nickname lab responsible_user projects species strain source line litter genotype sex "
        "birth_date death_date cull description ear_mark cage protocol_number reference_weight "
        "actions_sessions weighings water_administrations chronic_insertions"
    ),
    "ProcedureType": "description session surgery",
    "WaterType": "wateradministration waterrestriction",
    "Session": (
        f"{_ACTION} projects number date type task_protocol parent_session session n_trials "
        "n_correct_trials qc extended_qc auto_datetime data_dataset_session_related "
        "probe_insertion wateradmin_session_related"
    ),
    "Weighing": "subject date_time weight user",
    "WaterAdministration": "subject date_time water_administered water_type adlib user session",
    "WaterRestriction": f"{_ACTION} water_type reference_weight",
    "Surgery": f"{_ACTION} outcome_type implant_weight",
    "Note": "user date_time text image object_id",
    "DataRepositoryType": "datarepository",
    "DataRepository": (
        "repository_type hostname data_url timezone globus_path globus_endpoint_id "
        "globus_is_personal files lab"
    ),
    "DataFormat": (
        "description file_extension matlab_loader_function python_loader_function dataset"
    ),
    "DatasetType": "created_by description filename_pattern dataset",
    "Tag": "description protected public hash datasets",
    "Revision": "description created_datetime dataset",
    "Dataset": (
        "session object_id dataset_type data_format collection revision default_dataset tags "
        "file_size hash version qc generating_software online created_by created_datetime "
        "auto_datetime file_records probe_insertion"
    ),
    "FileRecord": "dataset data_repository relative_path exists",
    "Download": "user dataset projects count first_download last_download",
    "BrainRegion": "acronym description parent children lft rght level channels insertions",
    "ProbeModel": "probe_manufacturer probe_model description probe_insertion chronicinsertion",
    "CoordinateSystem": "description trajectoryestimate",
    "ChronicInsertion": f"{_ACTION} serial model probe_insertion trajectory_estimate regions",
    "ProbeInsertion": (
        "session model serial chronic_insertion datasets auto_datetime trajectory_estimate regions"
    ),
    "TrajectoryEstimate": (
        "probe_insertion chronic_insertion x y z depth theta phi roll provenance "
        "coordinate_system datetime channels"
    ),
    "Channel": "trajectory_estimate brain_region axial lateral x y z",
    "InsertionRegion": "insertion chronic_insertion region n_channels",
}


@cache
def names(table: str) -> frozenset[str]:
    """Return what may be asked of a table; nothing of one that is not listed.

    Parameters
    ----------
    table : str
        The name of a model.

    Returns
    -------
    frozenset of str
        Columns and relations.
    """
    listed = REACHABLE.get(table)
    return frozenset() if listed is None else frozenset(["id", "name", "json", *listed.split()])
