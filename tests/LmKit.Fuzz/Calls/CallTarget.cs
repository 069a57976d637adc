using System.Collections;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>A public entry point that takes tensors or sizes, made into a target: its file is the number that draws the arguments.</summary>
internal static class CallTarget
{
    internal const string Prefix = "call-";
    private const string File = "number.bin";
    private const int MostSteps = 12;

    /// <summary>The only valid case: the number 0, for which all arguments are as they should be.</summary>
    private static readonly IReadOnlyList<CaseFiles> Seeds = [new("number", new Dictionary<string, byte[]> { [File] = new byte[8] })];

    internal static FuzzTarget Of(string name, Func<CallArguments, object?> call) => new(Prefix + name, _ => { }, (folder, _) =>
    {
        var number = BitConverter.ToUInt64(System.IO.File.ReadAllBytes(Path.Combine(folder, File)));
        var arguments = new CallArguments(new FuzzRandom(number), isUsual: number == 0);
        random.manual_seed((long)number);
        try
        {
            Use(call(arguments));
            return "called";
        }
        catch (Exception error)
        {
            error.Data["oddities"] = string.Join(", ", arguments.Oddities);
            throw;
        }
    })
    { NamesFiles = false, Judge = Judge, OwnSeeds = Seeds, Draw = Make };

    /// <summary>A case of a call: eight random bytes.</summary>
    private static CaseFiles Make(FuzzRandom random) => new("number", new Dictionary<string, byte[]> { [File] = BitConverter.GetBytes(random.Next()) });

    // What .NET programs throw at wrong use is right here; what only the callee's insides can mean is not.
    private static Outcome Judge(Exception error) => error switch
    {
        OutOfMemoryException => Outcome.Memory,
        ArgumentException or ObjectDisposedException or InvalidOperationException or NotSupportedException => Outcome.Refused,
        _ when error.GetType().Assembly.GetName().Name!.StartsWith("LmKit.", StringComparison.Ordinal) => Outcome.Refused,
        _ => Outcome.WrongType,
    };

    // A sequence does its work when it is gone through, and a gradient when it is asked for.
    private static void Use(object? result)
    {
        switch (result)
        {
            case Tensor { requires_grad: true } tensor when tensor.is_floating_point() && tensor.device_type != DeviceType.META && tensor.numel() > 0:
                tensor.sum().backward();
                KernelFunction.ThrowIfFailed();
                break;
            case IEnumerable<Tensor> steps:
                foreach (var step in steps.Take(MostSteps))
                    step.Dispose();
                break;
            case IEnumerable others and not string:
                _ = others.Cast<object?>().Take(MostSteps).Count();
                break;
        }
    }
}
