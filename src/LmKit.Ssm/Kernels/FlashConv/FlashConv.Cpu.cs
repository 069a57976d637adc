using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace LmKit;

public static unsafe partial class FlashConv
{
    // The plan of a longer one would take more than 128 MB.
    private const long LongestServed = 1L << 24;

    // Channels last, the rows and spectra of a vector's channels are held at once: at most 28 MB a thread here. Longer sequences are copied.
    private const long LongestChannelsLast = 1L << 16;

    // Whether neighbouring channels lie side by side in memory, fill vectors, and are enough of these for all threads.
    private static bool TakesChannelsLast(Tensor u, int width)
    {
        var lanes = width / 32;
        if (u.size(2) != 1 || u.size(1) % lanes != 0 || u.size(1) / lanes < get_num_threads() || u.size(3) > LongestChannelsLast || u.is_contiguous())
            return false;
        using var turned = u.transpose(1, 3);
        return turned.is_contiguous();
    }

    private static Tensor ConvolveOnCpu(ConvolutionInputs inputs, int width)
    {
        using var scope = NewDisposeScope();
        var dense = inputs.Contiguous();
        var target = GradientLike(dense.Sequences);
        Run(Work(dense) with { Target = Start(target, nameof(target)) }, width);
        KeepAlive(dense, target);
        return target.MoveToOuterDisposeScope();
    }

    // In the order of the inputs; null where no gradient is asked for.
    private static IReadOnlyList<Tensor?> BackwardOnCpu(Tensor gradient, ConvolutionInputs inputs, int width)
    {
        using var scope = NewDisposeScope();
        var (dense, upstream) = (inputs.Contiguous(), gradient.contiguous());
        var (source, kernel, skip) = (Asked(inputs.Sequences), Asked(inputs.Kernel), Asked(inputs.Skip));
        var (inputGate, outputGate) = (Asked(inputs.InputGate), Asked(inputs.OutputGate));
        Run(Work(dense) with
        {
            Upstream = Start(upstream, nameof(upstream)),
            SourceGradient = Start(source, nameof(source)),
            KernelGradient = Start(kernel, nameof(kernel)),
            SkipGradient = Start(skip, nameof(skip)),
            InputGateGradient = Start(inputGate, nameof(inputGate)),
            OutputGateGradient = Start(outputGate, nameof(outputGate)),
        }, width);
        KeepAlive(dense, upstream, source, kernel, skip, inputGate, outputGate);
        return
        [
            source?.MoveToOuterDisposeScope(),
            kernel?.MoveToOuterDisposeScope(),
            .. inputs.Skip is null ? Array.Empty<Tensor?>() : [skip?.MoveToOuterDisposeScope()],
            .. inputs.InputGate is null ? Array.Empty<Tensor?>() : [inputGate?.MoveToOuterDisposeScope()],
            .. inputs.OutputGate is null ? Array.Empty<Tensor?>() : [outputGate?.MoveToOuterDisposeScope()],
        ];
    }

    private static ConvolutionWork Work(ConvolutionInputs dense) => new()
    {
        Grid = new SequenceGrid(dense.Sequences),
        Taps = dense.Kernel.size(1),
        Source = Start(dense.Sequences, "u"),
        Kernel = Start(dense.Kernel, "kernel"),
        Skip = Start(dense.Skip, "skip"),
        InputGate = Start(dense.InputGate, "inputGate"),
        OutputGate = Start(dense.OutputGate, "outputGate"),
    };

    private static void Run(ConvolutionWork work, int width)
    {
        var lanes = work.Grid.IsChannelsLast ? width / 32 : 1;
        WorkerPool.Shared.Run((int)(work.Grid.Channels / lanes), piece => Dispatch(work, width, piece * lanes));
    }

    private static void Dispatch(ConvolutionWork work, int width, int channel)
    {
        if (width == 512)
            Channel<Vector512<float>, Avx512Lanes>(work, channel);
        else if (width == 256)
            Channel<Vector256<float>, Avx2Lanes>(work, channel);
        else
            Channel<Vector128<float>, PortableLanes>(work, channel);
    }

    private static void Channel<V, T>(ConvolutionWork work, int channel)
        where V : struct
        where T : struct, ILanes<V>
    {
        if (work.Upstream is null)
            ChannelConvolution<V, T>.Forward(work, channel);
        else
            ChannelConvolution<V, T>.Backward(work, channel);
    }

    private static Tensor? Asked(Tensor? input) => input is { requires_grad: true } ? GradientLike(input) : null;

    private static Tensor GradientLike(Tensor input) => empty(input.shape, input.dtype);

    private static float* Start(Tensor? tensor, string name)
    {
        if (tensor is null)
            return null;
        using var memory = new TensorMemory<float>(tensor, name);
        return memory.Start;
    }

    // Until here no tensor whose memory is in use may be collected.
    private static void KeepAlive(ConvolutionInputs inputs, params Tensor?[] others)
    {
        GC.KeepAlive(inputs);
        GC.KeepAlive(others);
    }
}
