using System.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Rotary turns in one pass over float32 numbers on the CPU that ask for no gradients.</summary>
/// <remarks>Products and sums are rounded one by one, as library operations round them, so the bits are theirs.</remarks>
internal static unsafe class RotaryTurn
{
    // Numbers below which a second thread costs more than it saves.
    private const long NumbersForThreads = 1 << 18;

    /// <summary>Whether it serves a tensor here and now.</summary>
    internal static bool Serves(Tensor x) =>
        x.dtype == ScalarType.Float32 && x.device_type == DeviceType.CPU && !(is_grad_enabled() && x.requires_grad) && KernelSelection.Current == KernelChoice.Cpu;

    /// <summary>Turns.</summary>
    /// <param name="x">(B, H, L, P).</param>
    /// <param name="phases">(B or 1, 1, L, R) contiguous: R/2 cosines, then R/2 sines.</param>
    /// <param name="isInterleaved">Whether pairs are neighbours.</param>
    /// <param name="isBack">Whether to turn back.</param>
    internal static Tensor Turn(Tensor x, Tensor phases, bool isInterleaved, bool isBack)
    {
        using var scope = NewDisposeScope();
        var y = empty(x.shape, ScalarType.Float32);
        using var source = new TensorMemory<float>(x.contiguous(), nameof(x));
        using var target = new TensorMemory<float>(y, nameof(x));
        using var turns = new TensorMemory<float>(phases, nameof(phases));
        var (heads, length, width, turned) = ((int)x.size(1), (int)x.size(2), (int)x.size(3), (int)phases.size(3));
        var sharesPhases = phases.size(0) == 1;
        float* from = source.Start, to = target.Start, angles = turns.Start;
        WorkerPool.Shared.Run((int)x.size(0) * heads, piece =>
        {
            var phase = angles + (sharesPhases ? 0 : (long)(piece / heads) * length * turned);
            var start = (long)piece * length * width;
            for (var row = 0; row < length; row++, start += width, phase += turned)
            {
                if (isInterleaved)
                    Neighbours(from + start, to + start, phase, turned / 2, isBack ? -1 : 1);
                else
                    Halves(from + start, to + start, phase, turned / 2, isBack ? -1 : 1);
                new ReadOnlySpan<float>(from + start + turned, width - turned).CopyTo(new Span<float>(to + start + turned, width - turned));
            }
        }, x.numel() < NumbersForThreads ? 1 : 0);
        return y.MoveToOuterDisposeScope();
    }

    private static void Halves(float* x, float* y, float* phase, int half, float sign)
    {
        var at = 0;
        for (var signs = new Vector<float>(sign); at + Vector<float>.Count <= half; at += Vector<float>.Count)
        {
            Vector<float> a = Vector.Load(x + at), b = Vector.Load(x + half + at), cos = Vector.Load(phase + at), sin = Vector.Load(phase + half + at) * signs;
            Vector.Store((a * cos) - (b * sin), y + at);
            Vector.Store((b * cos) + (a * sin), y + half + at);
        }
        for (; at < half; at++)
        {
            float a = x[at], b = x[half + at], cos = phase[at], sin = phase[half + at] * sign;
            (y[at], y[half + at]) = ((a * cos) - (b * sin), (b * cos) + (a * sin));
        }
    }

    private static void Neighbours(float* x, float* y, float* phase, int half, float sign)
    {
        for (var at = 0; at < half; at++)
        {
            float a = x[2 * at], b = x[(2 * at) + 1], cos = phase[at], sin = phase[half + at] * sign;
            (y[2 * at], y[(2 * at) + 1]) = ((a * cos) - (b * sin), (b * cos) + (a * sin));
        }
    }
}
