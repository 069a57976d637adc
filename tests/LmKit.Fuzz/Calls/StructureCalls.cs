using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Entry points of LmKit.Ssm, LmKit.Structured, LmKit.LongContext and LmKit.Tuning.</summary>
internal static class StructureCalls
{
    private static readonly LambdaMask Lambda = new(new LambdaMaskOptions { GlobalLength = 2, LocalLength = 4 });

    internal static IEnumerable<FuzzTarget> All =>
    [
        CallTarget.Of("diagonal-run", a => CallModels.Diagonal.Run(a.Floats(2, 3, 5), a.Maybe(() => CallModels.Diagonal.Run(rand(2, 3, 5)).State), a.Maybe(() => a.Floats(3)), a.Size(0)).Output),
        CallTarget.Of("diagonal-state", a => CallModels.Diagonal.Run(a.Floats(2, 3, 5), a.Complex(CallModels.Diagonal.Run(rand(2, 3, 5)).State.shape)).Output),
        CallTarget.Of("diagonal-kernel", a => CallModels.Diagonal.Kernel(Short(a))),
        CallTarget.Of("diagonal-response", a => CallModels.Diagonal.Response(a.Complex(CallModels.Diagonal.Run(rand(2, 3, 5)).State.shape), Short(a))),
        CallTarget.Of("shift-run", a => CallModels.Shift.Run(a.Floats(2, 3, 5), a.Maybe(() => a.Floats(2, 3, 4))).Output),
        CallTarget.Of("shift-kernel", a => CallModels.Shift.Kernel(Short(a))),
        CallTarget.Of("shift-published", a => CallModels.Shift.PublishedState(a.Floats(2, 3, 4))),
        CallTarget.Of("monarch-fft", a => Fft(a).Transform(a.Floats(2, 3, 6))),
        CallTarget.Of("monarch-fft-inverse", a => Fft(a).Inverse(a.Complex(5, 2, 3))),
        CallTarget.Of("monarch-fft-first", a => Fft(a).FirstStage(a.Floats(2, 3, 6))),
        CallTarget.Of("monarch-fft-twiddle", a => Fft(a).Twiddle(a.Floats(2, 3, 2, 3))),
        CallTarget.Of("monarch-fft-second", a => Fft(a).SecondStage(a.Floats(2, 3, 2, 3))),
        CallTarget.Of("monarch-fft-natural", a => Fft(a).Natural(a.Complex(5, 2, 3))),
        CallTarget.Of("monarch-fft-convolve", a => Fft(a).Convolve(a.Floats(2, 3, 3), a.Floats(3, 4))),
        CallTarget.Of("flash-conv", a => FlashConv.Convolve(a.Floats(2, 3, 1, 8), a.Floats(3, 8), a.Maybe(() => a.Floats(3)), a.Maybe(() => a.Floats(2, 3, 1, 8)), a.Maybe(() => a.Floats(2, 3, 1, 8)))),
        CallTarget.Of("long-convolution", a => LongConvolution.Convolve(a.Floats(2, 3, 8), a.Floats(3, 8), a.Maybe(() => a.Floats(3)), a.Maybe(() => a.Floats(3, 8)), a.Random.Chance(0.5), a.Maybe(() => a.Floats(2, 3)))),
        CallTarget.Of("gated-convolution", a => LongConvolution.Gated(a.Floats(2, 3, 8), a.Floats(3, 8), a.Floats(2, 3, 8), a.Floats(2, 3, 8), a.Maybe(() => a.Floats(3)))),
        CallTarget.Of("multi-head-convolution", a => LongConvolution.MultiHead(a.Floats(2, 4, 8), a.Floats(2, 4, 8), a.Floats(2, 4, 8), a.Floats(2, 8), a.Floats(2))),
        CallTarget.Of("selective-scan", a => SelectiveScan.Run(a.Floats(2, 3, 5), a.Shares(2, 3, 5), a.Floats(3, 4), a.Floats(2, 4, 5), a.Floats(2, 4, 5), a.Maybe(() => a.Floats(3)), a.Maybe(() => a.Floats(2, 3, 5)), a.Maybe(() => a.Floats(3)), a.Maybe(() => a.Floats(2, 3, 4))).Output),
        CallTarget.Of("hide-padding", a => PaddedVocabulary.Hide(a.Size(9))(a.Floats(2, 11), a.Ids(11, 2, 4), a.Size(2))),
        CallTarget.Of("h3-tensors", a => H3Checkpoint.FromTensors(new Dictionary<string, Tensor> { ["backbone.embeddings.word_embeddings.weight"] = a.Floats(11, 8), ["backbone.layers.0.mlp.fc1.weight"] = a.Floats(32, 8), ["backbone.layers.0.mixer.Wqkv.weight"] = a.Floats(24, 8) }).Sizes.ToString()),
        CallTarget.Of("recall-task", a => new AssociativeRecallTask(20, 9).Sample(a.Count(4), new Generator(1), a.Maybe(() => a.Ids(20, 3, 9)))),
        CallTarget.Of("monarch-multiply", a => MonarchMultiply.Apply(a.Floats(2, 8), a.Floats(2, 4, 4), a.Floats(4, 2, 2))),
        CallTarget.Of("monarch-dense", a => MonarchMultiply.ToDense(a.Floats(2, 4, 4), a.Floats(4, 2, 2))),
        CallTarget.Of("monarch-linear", a => CallModels.Monarch.call(a.Floats(2, 5, 8))),
        CallTarget.Of("lambda-visible", a => Lambda.Visible(a.Ids(9, 2, 5), a.Ids(9, 2, 7))),
        CallTarget.Of("lambda-attend", a => Lambda.Attend(CoreCalls.Input(a, a.Random.Chance(0.5) ? new RotaryEmbedding(4) : null))),
        CallTarget.Of("lambda-dense", a => DenseAttention.Attend(CoreCalls.Input(a, a.Random.Chance(0.5) ? new AlibiEncoding(2) : null), Lambda)),
        CallTarget.Of("lora-linear", a => CallModels.Lora.call(a.Floats(2, 5, 8))),
        CallTarget.Of("lora-embedding", a => CallModels.TableLora.call(a.Ids(11, 2, 5))),
        CallTarget.Of("lora-load-base", a => { using var model = ToyModels.Attention(lora => lora.Rank = 2); using var plain = ToyModels.Attention(); var weights = plain.state_dict(); weights["layers.0.mlp.fc1.weight"] = a.Floats(32, 8); LoraAdapters.LoadBase(model, weights); return null; }),
        CallTarget.Of("fine-tuner-restore", a => { var tuner = new FineTuner(CallModels.Tuned, [new SupervisedExample([1, 2, 3], [false, true, true])], new FineTuningOptions { RowLength = 8, RowCount = 2 }); var saved = tuner.Progress().ToDictionary(pair => pair.Key, pair => pair.Value); saved["place"] = a.Ids(1, 2); tuner.Restore(saved); return tuner.NextLoss().Sum; }),
    ];

    private static MonarchFft Fft(CallArguments a) => new(a.Size(2), a.Size(3));

    // Sizes that could be meant are computed, and long ones take their time.
    private static long Short(CallArguments a) => Math.Min(a.Size(5), 1 << 12);
}
