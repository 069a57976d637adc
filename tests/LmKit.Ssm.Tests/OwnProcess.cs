using System.Diagnostics;
using System.Runtime.Intrinsics.X86;

namespace LmKit.Ssm.Tests;

/// <summary>Runs a static method of this assembly in a process of its own, where the environment can differ.</summary>
internal static class OwnProcess
{
    /// <summary>Runs a method that takes the arguments as one array; fails with its output when it throws.</summary>
    internal static string Run(Action<string[]> method, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(OwnProcess).Assembly.Location, method.Method.DeclaringType!.FullName!, method.Method.Name, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{method.Method.Name} in its own process ended with {process.ExitCode}:\n{output}\n{error.Result}");
        return output;
    }

    /// <summary>Runs a method where processor features are switched off ("0") or left ("1").</summary>
    internal static void RunWithVectors(Action<string[]> method, string avx512, string avx2) => Run(
        method,
        [avx512, avx2],
        ("DOTNET_EnableAVX512", avx512),
        ("DOTNET_EnableAVX512F", avx512),
        ("DOTNET_EnableAVX2", avx2),
        ("DOTNET_EnableHWIntrinsic", avx2));

    /// <summary>In the process that <see cref="RunWithVectors"/> started: loads libtorch and fails if the features are still there.</summary>
    internal static void CheckVectors(string[] arguments)
    {
        LibTorch.EnsureLoaded();
        TorchSharp.torch.set_num_threads(2);
        Assert.False(Avx512F.IsSupported && arguments[0] == "0", "AVX-512 could not be switched off.");
        Assert.False(Avx2.IsSupported && arguments[1] == "0", "AVX2 could not be switched off.");
    }
}
