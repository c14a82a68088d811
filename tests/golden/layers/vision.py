"""Other sizes, patches, shuffles; bags of embeddings; bilinear maps."""

from ._layer import Layer

LAYERS = [
    Layer("unfold", "Unfold", (2,), shape=(1, 2, 3, 4)),
    Layer("unfold-all", "Unfold", ((2, 3),), dict(dilation=(2, 1), padding=(1, 2), stride=2), shape=(2, 4, 5)),
    Layer("fold", "Fold", ((3, 4), 2), shape=(2, 4, 6)),
    Layer("fold-all", "Fold", ((4, 5), (2, 3)), dict(dilation=(2, 1), padding=(1, 2), stride=2), shape=(12, 8)),
    Layer("pixelshuffle", "PixelShuffle", (2,), shape=(1, 4, 2, 3)),
    Layer("pixelunshuffle", "PixelUnshuffle", (2,), shape=(2, 1, 4, 2)),
    Layer("channelshuffle", "ChannelShuffle", (2,), shape=(1, 6, 2, 2)),
    Layer("upsample", "Upsample", (), dict(scale_factor=2), shape=(1, 2, 3)),
    Layer("upsample-size", "Upsample", ((3, 5),), shape=(1, 1, 2, 3)),
    Layer("upsample-exact", "Upsample", (), dict(size=5, mode="nearest-exact"), shape=(1, 2, 3)),
    Layer("upsample-linear", "Upsample", (), dict(scale_factor=1.7, mode="linear"), shape=(1, 2, 4)),
    Layer("upsample-bilinear", "Upsample", (), dict(scale_factor=(2.0, 1.5), mode="bilinear"), shape=(1, 2, 3, 2)),
    Layer("upsample-trilinear", "Upsample", (), dict(size=(2, 3, 1), mode="trilinear"), shape=(1, 1, 3, 2, 2)),
    Layer("upsample-bicubic", "Upsample", (), dict(scale_factor=2, mode="bicubic"), shape=(1, 1, 3, 2)),
    Layer(
        "upsample-aligned", "Upsample", (), dict(size=(4, 1), mode="bicubic", align_corners=True), shape=(1, 1, 3, 2)
    ),
    Layer("upsample-area", "Upsample", (), dict(size=(2, 4), mode="area"), shape=(1, 1, 5, 3)),
    Layer(
        "upsample-recomputed",
        "Upsample",
        (),
        dict(scale_factor=1.4, mode="linear", recompute_scale_factor=True),
        shape=(1, 1, 4),
    ),
    Layer("upsamplingnearest2d", "UpsamplingNearest2d", (3,), shape=(1, 1, 2, 5)),
    Layer("upsamplingbilinear2d", "UpsamplingBilinear2d", (), dict(scale_factor=2), shape=(1, 1, 2, 3)),
    Layer("bilinear", "Bilinear", (2, 3, 2), shape=((4, 2), (4, 3))),
    Layer("bilinear-no-bias", "Bilinear", (2, 3, 1, False), shape=((2, 2, 2), (2, 2, 3))),
    Layer("cosinesimilarity", "CosineSimilarity", (), dict(dim=-1), shape=((3, 4), (3, 4))),
    Layer("pairwisedistance", "PairwiseDistance", (3.0,), dict(keepdim=True), shape=((3, 4), (3, 4))),
    *(
        Layer(f"embeddingbag-{mode}", "EmbeddingBag", (5, 3), dict(mode=mode), shape=(3, 4), kind="index", high=5)
        for mode in ("sum", "mean", "max")
    ),
    Layer(
        "embeddingbag-padding",
        "EmbeddingBag",
        (4, 2),
        dict(padding_idx=-1, mode="mean"),
        shape=(3, 5),
        kind="index",
        high=4,
    ),
    Layer(
        "embeddingbag-max-padding", "EmbeddingBag", (3, 2), dict(padding_idx=0, mode="max"), shape=(4, 3), kind="index",
        high=3,
    ),
    Layer("embeddingbag-max-norm", "EmbeddingBag", (4, 3), dict(max_norm=1.0), shape=(2, 2), kind="index", high=4),
    Layer("dropout-alpha-eval", "AlphaDropout", (0.3,), training=False),
    Layer("dropout-feature-alpha-eval", "FeatureAlphaDropout", (0.3,), training=False),
]  # fmt: skip
