"""What training needs around a model: a loop that can be killed and resumed, callbacks, metrics, reports and plots.

    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), metrics={"accuracy": Accuracy()},
                      callbacks=[EarlyStopping(patience=5), ModelCheckpoint("run", monitor="val_loss")])
    history = trainer.fit(train_loader, validation_loader, epochs=20, resume=True)

``trainer.py`` is the loop; ``state.py`` says what a checkpoint holds and why a resumed run gives the same bits.
safetensors, tqdm, matplotlib and tensorboardX come with ``pip install "fastnn-cpu[train]"`` and are imported where they
are used.
"""

from __future__ import annotations

from fastnn.training.callbacks import Callback, EarlyStopping
from fastnn.training.checkpoint import ModelCheckpoint
from fastnn.training.diagnosis import NonFiniteLossError
from fastnn.training.history import History
from fastnn.training.loggers import CSVLogger, TensorBoardLogger
from fastnn.training.metrics import Accuracy, ConfusionMatrix, Mean, Metric
from fastnn.training.plots import plot_confusion_matrix, plot_curves, plot_history
from fastnn.training.summary import Summary, summary
from fastnn.training.trainer import Trainer

__all__ = [
    "Accuracy",
    "CSVLogger",
    "Callback",
    "ConfusionMatrix",
    "EarlyStopping",
    "History",
    "Mean",
    "Metric",
    "ModelCheckpoint",
    "NonFiniteLossError",
    "Summary",
    "TensorBoardLogger",
    "Trainer",
    "plot_confusion_matrix",
    "plot_curves",
    "plot_history",
    "summary",
]
